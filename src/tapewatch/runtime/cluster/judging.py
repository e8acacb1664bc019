"""What judges, put together from the settings: the same for the bridge's own process and for every worker."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry

from tapewatch.detection.calendars import venue_info
from tapewatch.detection.engine import Engine
from tapewatch.runtime.cluster.compiling import one_at_a_time
from tapewatch.runtime.cluster.detection import EngineDetection, EngineRules, all_dead
from tapewatch.runtime.cluster.figures import JudgeFigures
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.ports import Detection, Rules, ShardId
from tapewatch.runtime.config.detect import BridgeSection, StateSection
from tapewatch.runtime.config.rules import load_rules
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.embedded import build_engine, load_calibration
from tapewatch.stores.redis import Client, RedisAttempts, RedisShardStore, connect
from tapewatch.tape.codec import CodecSettings, JsonDecoder


def warm(settings: Settings) -> None:
    """Compile, or load from the cache, what judging needs: about 0.8 s from the cache. Connects to nothing."""
    with one_at_a_time():
        build_engine(settings.rules).warm()
        JsonDecoder(codec_of(settings.bridge, "")).warm_up()


class Work(Protocol):
    """What a bridge has done with the partitions that it owns."""

    store: RedisShardStore
    attempts: RedisAttempts

    def judge(self) -> Judge:
        """A judge, for one thread."""
        ...

    def rules(self) -> Rules:
        """What the state of a shard has to belong to."""
        ...

    def stamp(self) -> str:
        """Another one as soon as the rules are others: the shard is then claimed again. Asked every second, by the
        thread of the shard. May raise RetryableError."""
        ...


class Judging:
    """Ticks judged by the engine: makes engines and judges. Its kernels are compiled, and the scanner, when it has been
    made."""

    def __init__(
        self, settings: Settings, client: Client, registry: CollectorRegistry | None, now_ns: Callable[[], int]
    ) -> None:
        self._bridge, self._now_ns = settings.bridge, now_ns
        self._rules = load_rules(settings.rules).rules
        self._calibration = load_calibration(settings.rules.calibration, settings.rules.instruments)
        self.store = RedisShardStore(client, settings.state.prefix)
        self.attempts = RedisAttempts(client, settings.state.prefix)
        self.figures = JudgeFigures(registry, now_ns)
        warm(settings)
        self.fingerprint = self._rules.fingerprint(self._calibration.digest())

    def engine(self) -> Engine:
        """A new engine of the rules of the settings, without state."""
        return Engine(self._rules, self._calibration)

    def judge(self) -> Judge:
        """A judge, for one thread."""
        return Judge(self.store, self.attempts, self._detection, all_dead, self.figures.committed, self.figures.refused)

    def rules(self) -> Rules:
        """The rules of the settings."""
        return EngineRules(self.engine, self.store, self._now_ns)

    def stamp(self) -> str:
        """The same always: the settings are read once."""
        return ""

    def _detection(self, shard: ShardId) -> Detection:
        return EngineDetection(shard, self.engine(), JsonDecoder(codec_of(self._bridge, shard.topic)), self._now_ns)


def connect_state(section: StateSection) -> Client:
    """The client of the state's Redis. Nothing is sent yet, except where it is a Redis Cluster."""
    return connect(section.address, cluster=section.cluster, timeout_s=section.timeout_s)


def codec_of(section: BridgeSection, topic: str) -> CodecSettings:
    """How the messages of a topic are read."""
    venue = section.venues.get(topic, section.venue)
    return CodecSettings(source=topic, zone_of=lambda name: venue_info(name).zone, venue=venue)
