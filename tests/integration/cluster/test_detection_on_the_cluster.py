"""The same tape through embedded mode and through the cluster's executors, on real servers."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import Plan, SimulatorConfig, market
from tapewatch.model.alerts import Alert
from tapewatch.model.signals import Signal
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine, make_pipeline, memory_sinks
from tapewatch.stores.port import AlertQuery
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_feed import KafkaFeedWriter
from tapewatch.tape.kafka_names import ALERTS, SIGNALS
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec, our_topics

pytestmark = pytest.mark.cluster

_MAIN = [sys.executable, "-c", "from tapewatch.runtime.cli import main; main()"]
_BARE = {"timestamp_detection": None, "offset": 0}  # when it was found, and where it stands in this log
Found = Mapping[str, Alert | Signal]


@dataclass(frozen=True)
class Cluster:
    """Servers, a topic of its own, and what was on the topics of results before."""

    kafka: KafkaSettings
    environment: Mapping[str, str]
    topic: str
    partitions: int

    def command(self, log: Path, *arguments: str, **more: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, **self.environment, **more}
        with log.open("ab") as out:
            return subprocess.Popen([*_MAIN, *arguments], env=environment, stdout=out, stderr=out)


@pytest.fixture
def make_cluster(kafka_server: Running, state_redis: Running, queue_redis: Running) -> Callable[[int], Cluster]:
    def make(partitions: int) -> Cluster:
        kafka, name = KafkaSettings(kafka_server.address), uuid.uuid4().hex[:12]
        KafkaTopics(kafka).ensure([TopicSpec(f"t-{name}", partitions)])
        there = KafkaTopics(kafka).find([s.name for s in our_topics((), 2)])
        KafkaTopics(kafka).ensure([s for s in our_topics((), 2) if s.name not in there])
        environment = {
            "TAPEWATCH_KAFKA__BOOTSTRAP": kafka_server.address,
            "TAPEWATCH_KAFKA__TOPICS": f"t-{name}",
            "TAPEWATCH_KAFKA__PARTITIONS": str(partitions),
            "TAPEWATCH_STATE__URL": state_redis.address,
            "TAPEWATCH_STATE__PREFIX": name,
            "TAPEWATCH_QUEUE__URL": queue_redis.address,
            "TAPEWATCH_BRIDGE__GROUP": name,
            "TAPEWATCH_BRIDGE__SOURCE": f"/{name}",
        }
        return Cluster(kafka, environment, f"t-{name}", partitions)

    return make


def fill(cluster: Cluster, feed: Feed) -> None:
    publisher = KafkaPublisher(cluster.kafka, linger_ms=20)
    writer = KafkaFeedWriter(publisher, cluster.topic, cluster.partitions)
    for _ in writer.write(feed.batches(0)):
        pass
    writer.flush()
    publisher.close()


def embedded(feed: Feed) -> Found:
    sinks = memory_sinks()
    revisions: list[Alert] = []
    pipeline = make_pipeline(feed, build_engine(RulesSettings()), sinks, time.time_ns, revisions.extend)
    pipeline.run(feed, 100_000)
    signals = sinks.alerts.signals(AlertQuery(newest_first=False, limit=10_000_000))
    return {f"{a.alert_id}:{a.revision}": bare(a) for a in revisions} | {s.signal_id: bare(s) for s in signals}


def bare(item: Alert | Signal) -> Alert | Signal:
    return msgspec.structs.replace(item, **_BARE)


def published(cluster: Cluster) -> Found:
    """What this cluster's group published, repeats dropped."""
    found: dict[str, Alert | Signal] = {}
    kinds: tuple[tuple[str, type[Alert | Signal]], ...] = ((ALERTS, Alert), (SIGNALS, Signal))
    for topic, kind in kinds:
        for partition in range(2):
            tape = KafkaTape(cluster.kafka, topic, partition)
            at, end = tape.bounds()
            while at < end:
                raw = tape.read(at)
                for i in range(len(raw)):
                    item = bare(msgspec.json.decode(raw.data[raw.starts[i] : raw.starts[i + 1]], type=kind))
                    name = f"{item.alert_id}:{item.revision}" if isinstance(item, Alert) else item.signal_id
                    assert found.setdefault(name, item) == item
                at = raw.end
            tape.close()
    return found


@contextmanager
def running(*processes: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def wait_for_the_end(cluster: Cluster, timeout_s: float = 120.0) -> None:
    """Until every partition's committed offset is its end: judged and published."""
    tapes = [
        KafkaTape(cluster.kafka, cluster.topic, p, group=cluster.environment["TAPEWATCH_BRIDGE__GROUP"])
        for p in range(cluster.partitions)
    ]
    give_up = time.monotonic() + timeout_s
    try:
        while behind := [(t.committed_with_metadata(), t.bounds()) for t in tapes if t.committed < t.bounds()[1]]:
            assert time.monotonic() < give_up, behind
            time.sleep(0.2)
    finally:
        for tape in tapes:
            tape.close()


def simulated() -> Feed:
    plan = Plan(rate=4.0, times=(2.0, 4.0), min_distance_min=60)
    return market(SimulatorConfig(seed=11, stocks=12, crypto=12, days=2, plan=plan))


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_inline_gives_what_embedded_mode_gives(
    make_cluster: Callable[[int], Cluster], tmp_path: Path, partitions: int
) -> None:
    cluster = make_cluster(partitions)
    fill(cluster, simulated())
    with running(cluster.command(tmp_path / "bridge", "consume", "--executor", "inline")):
        wait_for_the_end(cluster)
    expected, found = embedded(simulated()), published(cluster)
    assert len(expected) > 100
    assert {name: found.get(name) for name in expected} == expected
