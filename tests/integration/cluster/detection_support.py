"""A cluster of a test's own on the real servers, what it published, and what embedded mode gives for the same tape."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import Plan, SimulatorConfig, market
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import RetryableError
from tapewatch.model.market import Group, MarketFindings, MarketMinute
from tapewatch.model.secret import Secret
from tapewatch.model.signals import Signal
from tapewatch.runtime.cluster.layout import merger_group
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine, make_pipeline, memory_sinks
from tapewatch.stores.memory import MemoryGroupStore
from tapewatch.stores.port import AlertQuery, ShardHead
from tapewatch.stores.redis import RedisShardStore, connect
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_feed import KafkaFeedWriter
from tapewatch.tape.kafka_group import KafkaGroup, Taken
from tapewatch.tape.kafka_names import ALERTS, BREADTH, GROUPS, SIGNALS
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics

BARS = Path(__file__).parents[4] / "shared" / "data" / "bars"
_MAIN = [sys.executable, "-c", "from tapewatch.runtime.cli import main; main()"]
_BARE = {"timestamp_detection": None, "offset": 0}  # when it was found, and where it stands in this log
Item = Alert | Signal | Group | MarketMinute
Found = Mapping[str, Item]


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


def fill(cluster: Cluster, feed: Feed) -> None:
    publisher = KafkaPublisher(cluster.kafka, linger_ms=20)
    writer = KafkaFeedWriter(publisher, cluster.topic, cluster.partitions)
    for _ in writer.write(feed.batches(0)):
        pass
    writer.flush()
    publisher.close()


def embedded(feed: Feed, rules: RulesSettings = RulesSettings()) -> Found:  # noqa: B008 (it is frozen)
    """Every alert revision, signal, revision of a group and minute of a market."""
    sinks = memory_sinks()
    revisions: list[Alert] = []
    groups = Findings()
    pipeline = make_pipeline(feed, build_engine(rules), replace(sinks, groups=groups), time.time_ns, revisions.extend)
    pipeline.run(feed, 100_000)
    signals = sinks.alerts.signals(AlertQuery(newest_first=False, limit=10_000_000))
    return named([*revisions, *signals, *groups.items])


class Findings(MemoryGroupStore):
    """Keeps each revision."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Item] = []

    def put(self, found: MarketFindings) -> list[Group]:
        self.items += [*found.groups, *found.minutes]
        return super().put(found)


def named(items: Iterable[Item]) -> dict[str, Item]:
    """The items by their identity; repeats, which must be equal, once."""
    found: dict[str, Item] = {}
    for item in items:
        name, bare = identified(item)
        assert found.setdefault(name, bare) == bare
    return found


def identified(item: Item) -> tuple[str, Item]:
    if isinstance(item, Group):
        return f"{item.group_id}:{item.revision}", item
    if isinstance(item, MarketMinute):
        return f"{item.market} {item.end_ns}", item
    name = f"{item.alert_id}:{item.revision}" if isinstance(item, Alert) else item.signal_id
    return name, msgspec.structs.replace(item, **_BARE)


def published(cluster: Cluster) -> Found:
    """What this cluster published, told from what others did by its source; repeats dropped."""
    left = ends(cluster, {ALERTS: 2, SIGNALS: 2, GROUPS: 1})
    group = KafkaGroup(cluster.kafka, [ALERTS, SIGNALS, GROUPS], uuid.uuid4().hex)
    ours = ("ce_source", cluster.environment["TAPEWATCH_BRIDGE__SOURCE"].encode())
    items: list[Item] = []
    give_up = time.monotonic() + 60
    try:
        while left:
            assert time.monotonic() < give_up, left
            for message in group.take(10_000, 0.5):
                if ours in (message.message.headers() or ()):
                    items += read(message)
                if message.offset + 1 >= left.get((message.topic, message.partition), message.offset + 2):
                    del left[message.topic, message.partition]
    finally:
        group.close()
    return named(items)


def ends(cluster: Cluster, topics: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """Where the logs end that are not empty, by topic and partition."""
    found = {}
    for topic, partitions in topics.items():
        for partition in range(partitions):
            tape = KafkaTape(cluster.kafka, topic, partition)
            found[topic, partition] = tape.bounds()[1]
            tape.close()
    return {place: end for place, end in found.items() if end}


def read(message: Taken) -> Iterable[Item]:
    if message.topic == GROUPS:
        found = msgspec.json.decode(message.value, type=MarketFindings)
        return [*found.groups, *found.minutes]
    if message.topic == ALERTS:
        return [msgspec.json.decode(message.value, type=Alert)]
    return [msgspec.json.decode(message.value, type=Signal)]


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
    places = [(cluster.topic, p) for p in range(cluster.partitions)]
    wait_for(cluster, places, cluster.environment["TAPEWATCH_BRIDGE__GROUP"], timeout_s)


def wait_for_the_merger(cluster: Cluster, timeout_s: float = 60.0) -> None:
    """The same for what shards said of their minutes."""
    wait_for(cluster, [(BREADTH, 0)], merger_group(cluster.environment["TAPEWATCH_BRIDGE__GROUP"]), timeout_s)


def wait_for(cluster: Cluster, places: Sequence[tuple[str, int]], group: str, timeout_s: float) -> None:
    tapes = [KafkaTape(cluster.kafka, topic, partition, group=group) for topic, partition in places]
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


def figure(port: int, family: str) -> float:
    """The sum of a family's samples in a process's `/metrics`."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return sum(s.value for found in text_string_to_metric_families(text) for s in found.samples if s.name == family)


def records(cluster: Cluster) -> list[int]:
    """The length of the log, partition by partition that is not empty."""
    return list(ends(cluster, {cluster.topic: cluster.partitions}).values())
