"""The same tape through embedded mode and through the cluster's executors, on real servers."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import Plan, SimulatorConfig, market
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import RetryableError
from tapewatch.model.secret import Secret
from tapewatch.model.signals import Signal
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.config.settings import FeedSettings, RulesSettings
from tapewatch.runtime.embedded import build_engine, make_pipeline, memory_sinks
from tapewatch.runtime.feeds import open_feed
from tapewatch.stores.port import AlertQuery, ShardHead
from tapewatch.stores.redis import RedisShardStore, connect
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_feed import KafkaFeedWriter
from tapewatch.tape.kafka_names import ALERTS, SIGNALS
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec, our_topics

pytestmark = pytest.mark.cluster

TSLA = Path(__file__).parents[4] / "shared" / "data" / "bars" / "TSLA_1min_sample.csv"
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
        while behind := [(tape.identity, at) for tape in tapes if (at := _behind(tape)) is not None]:
            assert time.monotonic() < give_up, behind
            time.sleep(0.2)
    finally:
        for tape in tapes:
            tape.close()


def _behind(tape: KafkaTape) -> str | None:
    """What is still to come, or why that is not known yet: a group's coordinator may have to load first."""
    try:
        committed, (_, end) = tape.committed, tape.bounds()
    except RetryableError as error:
        return str(error)
    return f"{committed} of {end}" if committed < end else None


def simulated() -> Feed:
    plan = Plan(rate=4.0, times=(2.0, 4.0), min_distance_min=60)
    return market(SimulatorConfig(seed=11, stocks=12, crypto=12, days=2, plan=plan))


def shards(cluster: Cluster) -> list[ShardHead]:
    """Where the state stands, of the partitions that have one."""
    topic = KafkaTopics(cluster.kafka).find([cluster.topic])[cluster.topic]
    client = connect(Secret(cluster.environment["TAPEWATCH_STATE__URL"]))
    store = RedisShardStore(client, cluster.environment["TAPEWATCH_STATE__PREFIX"])
    names = [ShardId(topic.name, topic.topic_id, p).name for p in range(topic.partitions)]
    found = [store.load(name, []) for name in names]
    client.close()
    return [f[0] for f in found if f is not None]


def heads(cluster: Cluster) -> list[int]:
    return [head.next for head in shards(cluster)]


def fates(cluster: Cluster) -> int:
    return sum(sum(head.fates.values()) for head in shards(cluster))


def records(cluster: Cluster) -> list[int]:
    """The length of the log, partition by partition."""
    tapes = [KafkaTape(cluster.kafka, cluster.topic, p) for p in range(cluster.partitions)]
    ends = [tape.bounds()[1] for tape in tapes]
    for tape in tapes:
        tape.close()
    return ends


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


@pytest.mark.parametrize(("partitions", "workers"), [(1, 1), (2, 2), (7, 4)])
def test_celery_gives_what_embedded_mode_gives(
    make_cluster: Callable[[int], Cluster], tmp_path: Path, partitions: int, workers: int
) -> None:
    cluster = make_cluster(partitions)
    fill(cluster, simulated())
    bridge = cluster.command(tmp_path / "bridge", "consume", "--set", "bridge.batch_ticks=2000")
    port = free_port()
    worker = cluster.command(tmp_path / "worker", "worker", "--concurrency", str(workers), "--ops-port", str(port))
    with running(bridge, worker):
        wait_for_the_end(cluster)
        assert figure(port, "tapewatch_records_judged_total") == sum(records(cluster))
    expected, found = embedded(simulated()), published(cluster)
    assert {name: found.get(name) for name in expected} == expected


def figure(port: int, family: str) -> float:
    """The sum of a family's samples in a process's `/metrics`."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return sum(s.value for found in text_string_to_metric_families(text) for s in found.samples if s.name == family)


@pytest.mark.shared_data
@pytest.mark.skipif(not TSLA.exists(), reason="the development data is not beside the checkout")
@pytest.mark.parametrize("executor", ["inline", "celery"])
def test_a_real_file_gives_what_embedded_mode_gives(
    make_cluster: Callable[[int], Cluster], tmp_path: Path, executor: str
) -> None:
    cluster, feed = make_cluster(2), open_feed(FeedSettings(sources=(str(TSLA),)))
    fill(cluster, open_feed(FeedSettings(sources=(str(TSLA),))))
    bridge = cluster.command(tmp_path / "bridge", "consume", "--executor", executor)
    others = [cluster.command(tmp_path / "worker", "worker")] if executor == "celery" else []
    with running(bridge, *others):
        wait_for_the_end(cluster)
    expected, found = embedded(feed), published(cluster)
    assert expected
    assert {name: found.get(name) for name in expected} == expected


def test_nothing_is_lost_or_invented_whoever_is_killed(make_cluster: Callable[[int], Cluster], tmp_path: Path) -> None:
    cluster = make_cluster(2)
    chance = random.Random(7)

    def bridge() -> "subprocess.Popen[bytes]":
        return cluster.command(tmp_path / "bridge", "consume", "--set", "bridge.batch_ticks=500")

    def worker() -> "subprocess.Popen[bytes]":
        return cluster.command(tmp_path / "worker", "worker", "--concurrency", "2")

    fill(cluster, simulated())
    processes = {"bridge": bridge(), "other": bridge(), "worker": worker()}
    try:
        for _ in range(4):
            time.sleep(chance.uniform(6, 10))
            name = chance.choice(list(processes))
            for process in psutil.Process(processes[name].pid).children(recursive=True):
                process.kill()
            processes[name].kill()
            processes[name].wait()
            processes[name] = worker() if name == "worker" else bridge()
        wait_for_the_end(cluster)
    finally:
        with running(*processes.values()):
            pass
    expected, found = embedded(simulated()), published(cluster)
    assert {name: found.get(name) for name in expected} == expected
    assert fates(cluster) == sum(records(cluster))


def test_a_paused_bridge_is_fenced_and_joins_again(make_cluster: Callable[[int], Cluster], tmp_path: Path) -> None:
    cluster = make_cluster(2)
    fill(cluster, simulated())
    slow = {"TAPEWATCH_BRIDGE__BATCH_TICKS": "50"}
    first = cluster.command(tmp_path / "first", "consume", "--executor", "inline", **slow)
    try:
        while sum(heads(cluster)) < 1000:
            time.sleep(0.05)
        first.send_signal(signal.SIGSTOP)
        second = cluster.command(tmp_path / "second", "consume", "--executor", "inline")
        with running(second):
            wait_for_the_end(cluster)
            first.send_signal(signal.SIGCONT)
            time.sleep(5)
            assert first.poll() is None
    finally:
        first.send_signal(signal.SIGCONT)
        with running(first):
            pass
    expected, found = embedded(simulated()), published(cluster)
    assert {name: found.get(name) for name in expected} == expected
    assert fates(cluster) == sum(records(cluster))
    text = (tmp_path / "first").read_text()
    assert "fenced" in text
