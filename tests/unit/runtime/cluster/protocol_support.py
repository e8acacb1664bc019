"""A small cluster in memory: one shard, one or several processes on it, and what arrives on the topics."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from tapewatch.detection.calendars import venue_info
from tapewatch.detection.engine import Engine
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import RetryableError
from tapewatch.model.signals import Signal
from tapewatch.runtime.cluster.detection import EngineDetection, EngineRules, all_dead, gap_entry
from tapewatch.runtime.cluster.protocol.driver import ShardDriver
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.memory import MemoryAttempts, MemorySnapshots
from tapewatch.runtime.cluster.protocol.ports import Detection, Done, Executor, Mark, ShardId, Task
from tapewatch.runtime.cluster.protocol.relay import Relay
from tapewatch.runtime.cluster.protocol.terms import Limits, Phase, Ports, Timing
from tapewatch.stores.memory import MemoryShardStore
from tapewatch.stores.port import OutboxEntry
from tapewatch.tape.codec import CodecSettings, JsonDecoder, encode_batch
from tapewatch.tape.kafka_errors import LogShorterError, OffsetGoneError
from tapewatch.tape.memory import MemoryTape
from tapewatch.tape.port import RawBatch
from tests.unit.runtime.pipeline_support import NOW_NS, Tape, engine, tape

SHARD = ShardId("prices", "id", 0)


class MemoryOffsets:
    def __init__(self) -> None:
        self.mark = Mark()

    def committed(self) -> Mark:
        return self.mark

    def commit(self, mark: Mark) -> None:
        self.mark = mark


class Topics:
    """A publisher whose topics can be read; while `down`, nothing is acknowledged although it arrives."""

    def __init__(self) -> None:
        self.entries: list[OutboxEntry] = []
        self.down = False

    def send(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> None:
        self.entries += entries

    def flush(self) -> None:
        if self.down:
            raise RetryableError("the broker is down")

    def among(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> set[int]:
        there = {(entry.kind, entry.payload) for entry in self.entries}
        return {entry.seq for entry in entries if (entry.kind, entry.payload) in there}

    def found(self) -> dict[str, Alert | Signal]:
        """Alerts and signals by the id that consumers drop repeats by, without the time of detection."""
        found: dict[str, Alert | Signal] = {}
        for entry in self.entries:
            if entry.kind == "alert":
                alert = msgspec.json.decode(entry.payload, type=Alert)
                bare: Alert | Signal = msgspec.structs.replace(alert, timestamp_detection=None)
                name = f"{alert.alert_id}:{alert.revision}"
            elif entry.kind == "signal":
                bare = msgspec.structs.replace(
                    msgspec.json.decode(entry.payload, type=Signal), timestamp_detection=None
                )
                name = bare.signal_id
            else:
                continue
            assert found.setdefault(name, bare) == bare, "a repeat that is not the same"
        return found


class Inline:
    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def dispatch(self, task: Task) -> Done | None:
        return self._judge.run(task)


class Queued:
    """Tasks wait until somebody takes them."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def dispatch(self, task: Task) -> Done | None:
        self.tasks.append(task)
        return None


class CutTape(MemoryTape):
    """A log whose beginning can be removed, and whose end can be lost."""

    first = 0
    last: int | None = None

    def read(self, start: int, max_messages: int = 100_000, max_bytes: int = 8 << 20) -> RawBatch:
        if start < self.first:
            raise OffsetGoneError("prices/0", start, self.first)
        if self.last is not None and start > self.last:
            raise LogShorterError("prices/0", start, self.last)
        return super().read(start, max_messages, max_bytes)


def log_of(source: Tape) -> CutTape:
    log = CutTape()
    for batch in source.batches(0, 1000):
        log.append(encode_batch(batch), NOW_NS)
    return log


@dataclass
class World:
    """What outlives every process."""

    log: CutTape = field(default_factory=lambda: log_of(tape()))
    store: MemoryShardStore = field(default_factory=MemoryShardStore)
    offsets: MemoryOffsets = field(default_factory=MemoryOffsets)
    attempts: MemoryAttempts = field(default_factory=MemoryAttempts)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    topics: Topics = field(default_factory=Topics)
    server: str = "run-1"
    names: "itertools.count[int]" = field(default_factory=itertools.count)
    engine: Callable[[], Engine] = engine

    def detection(self, shard: ShardId) -> Detection:
        decoder = JsonDecoder(CodecSettings(source=shard.topic, zone_of=lambda venue: venue_info(venue).zone))
        return EngineDetection(shard, self.engine(), decoder, lambda: NOW_NS)

    def judge(self) -> Judge:
        return Judge(self.store, self.attempts, self.detection, all_dead)

    def lose_state(self) -> None:
        """The server of the state comes back empty, under a new id."""
        self.store = MemoryShardStore()
        self.server += "'"


@dataclass
class Process:
    """A bridge's process on the shard."""

    world: World
    executor: Executor
    driver: ShardDriver
    relay: Relay
    now_s: float = 0.0

    def turn(self, seconds: float = 0.0) -> None:
        """One step of the driver and one turn of the relay."""
        self.now_s += seconds
        self.driver.step(self.now_s)
        self.relay_turn()

    def relay_turn(self) -> None:
        try:
            self.relay.collect(self.driver.next)
            self.world.topics.flush()
        except RetryableError:
            self.relay.give_up()
            return
        self.relay.settle()

    def run_to(self, end: int) -> None:
        """Until the state is at `end` and the offset is committed there."""
        for _ in range(5_000):
            if self.driver.phase is Phase.RUN and self.driver.next >= end and self.driver.mark.offset >= end:
                return
            self.turn(0.3)
        raise AssertionError(f"still at {self.driver.next}, {self.driver.trouble}, {self.driver.counts}")


def process(world: World, executor: Executor | None = None, limit: int = 500) -> Process:
    executor = executor or Inline(world.judge())
    relay = Relay(SHARD, world.store, world.topics, world.topics)
    ports = Ports(
        log=world.log,
        offsets=world.offsets,
        store=world.store,
        executor=executor,
        attempts=world.attempts,
        snapshots=world.snapshots,
        rules=EngineRules(world.engine, world.store, lambda: NOW_NS),
        relay=relay,
        server_id=lambda: world.server,
        incarnation=lambda: f"i{next(world.names)}",
        gap=lambda shard, start, first: [gap_entry(shard, start, first, NOW_NS)],
    )
    return Process(world, executor, ShardDriver(SHARD, ports, Timing(), Limits(messages=limit)), relay)
