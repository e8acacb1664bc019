"""The merger: a bridge whose log is the topic of breadth, and whose work is to merge what shards say of minutes."""

import time
from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry

from tapewatch.runtime.cluster.bridge import Bridge
from tapewatch.runtime.cluster.detection import all_dead
from tapewatch.runtime.cluster.figures import JudgeFigures
from tapewatch.runtime.cluster.layout import merger_group
from tapewatch.runtime.cluster.merging import MinuteDetection, MinuteFigures, SourceRules
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.ports import Detection, Rules, ShardId
from tapewatch.runtime.cluster.sources import TapeSources, shards_of
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.stores.redis import Client, RedisAttempts, RedisShardStore
from tapewatch.tape.kafka_names import BREADTH
from tapewatch.tape.kafka_topics import KafkaTopics

CLIENT_ID = "tapewatch-merge"


class MinuteWork:
    """The `Work` of the merger."""

    def __init__(
        self, settings: Settings, client: Client, registry: CollectorRegistry, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._now_ns = now_ns
        self.store = RedisShardStore(client, settings.state.prefix)
        self.attempts = RedisAttempts(client, settings.state.prefix)
        topics, wanted = KafkaTopics(kafka_settings(settings.kafka, CLIENT_ID)), settings.kafka.topics
        self._sources = TapeSources(lambda: shards_of(topics, wanted))
        self._figures = MinuteFigures()
        self._judged = JudgeFigures(registry, now_ns, "tapewatch_minutes_judged")
        registry.register(self._figures)

    def judge(self) -> Judge:
        """A judge of breadth."""
        figures = self._judged
        return Judge(self.store, self.attempts, self._detection, all_dead, figures.committed, figures.refused)

    def rules(self) -> Rules:
        """Which shards are waited for."""
        return SourceRules(self._sources, self.store, self._now_ns)

    def stamp(self) -> str:
        """Of the shards that there are."""
        return self._sources.stamp()

    def _detection(self, shard: ShardId) -> Detection:
        return MinuteDetection(shard, self._sources, self._figures)


def make_merger(settings: Settings, registry: CollectorRegistry) -> Bridge:
    """The bridge of the topic of breadth, in a consumer group of its own. Raises as a bridge."""
    group = merger_group(settings.bridge.group)
    own = msgspec.structs.replace(settings.bridge, group=group, executor="inline", heartbeats=False)
    merging = msgspec.structs.replace(settings, bridge=own)
    return Bridge(merging, lambda client: MinuteWork(merging, client, registry), (BREADTH,), CLIENT_ID)
