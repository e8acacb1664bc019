"""Everything that outlives a process: the log, the state's server, the group, the topics, the queue of tasks.

Faults come out of the calls of ports: an answer that is lost (RetryableError, before or after it took effect), or the
death of the caller (Killed).
"""

import copy
import random
from collections.abc import Callable, Sequence
from typing import Any  # a proxy forwards whatever a port takes

from tapewatch.model.errors import CommitRefusedError, RetryableError
from tapewatch.runtime.cluster.protocol.flight import DEATHS
from tapewatch.runtime.cluster.protocol.memory import MemoryAttempts, MemorySnapshots
from tapewatch.runtime.cluster.protocol.ports import Mark, ShardId, Snapshot, Task
from tapewatch.stores.memory import MemoryShardStore
from tapewatch.stores.port import Commit, OutboxEntry, Place, ShardHead, StateRow, Told
from tests.simulation.records import BEAT, NOTE, POISON, SYMBOLS, Log, Truth


class Killed(BaseException):
    """The process that made the call is dead."""


class BrokenPromiseError(AssertionError):
    """Something happened that the protocol promises never happens."""


class Store(MemoryShardStore):
    """The state's server: the store of the embedded mode's tests, whose checks are those of the real ones, watched."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[str, tuple[str, int] | None] = {}

    def claim(
        self, shard: str, incarnation: str, fingerprint: str, epoch_floor: int = 0
    ) -> tuple[ShardHead, list[StateRow]]:
        head, rows = super().claim(shard, incarnation, fingerprint, epoch_floor)
        self.latest[shard] = head.incarnation, head.epoch
        return head, rows

    def commit(self, commit: Commit) -> Place:
        place = super().commit(commit)
        self._see(commit.shard, commit.incarnation, commit.epoch)
        return place

    def ack(self, shard: str, seq: int, owner: ShardHead | None = None) -> None:
        super().ack(shard, seq, owner)
        if owner:
            self._see(shard, owner.incarnation, owner.epoch)

    def copy(self) -> object:
        """What is on disk now."""
        return copy.deepcopy(self._shards)

    def come_back(self, disk: Any) -> None:
        """Start again with this on disk. Which claim is the newest is known again at the next one."""
        self._shards = copy.deepcopy(disk)
        self.latest = dict.fromkeys(self.latest)

    def _see(self, shard: str, incarnation: str, epoch: int) -> None:
        latest = self.latest.get(shard)
        if latest is not None and latest != (incarnation, epoch):
            raise BrokenPromiseError(f"{shard}: written under {(incarnation, epoch)} after the claim {latest}")


class Group:
    """The consumer group: who owns which partition, and what is committed. Kafka keeps it."""

    def __init__(self, world: "World", shard: ShardId) -> None:
        self._world, self._shard = world, shard
        self.owner: object = None
        self.mark = Mark()

    def commit(self, member: object, mark: Mark) -> None:
        if member is not self.owner:
            raise CommitRefusedError("member", str(member), str(self.owner))
        self._world.check_offset(self._shard, mark)
        self.mark = mark


class Offsets:
    """The group as one process sees it."""

    def __init__(self, group: Group, member: object) -> None:
        self._group, self._member = group, member

    def committed(self) -> Mark:
        return self._group.mark

    def commit(self, mark: Mark) -> None:
        self._group.commit(self._member, mark)


class Topics:
    """Where the outbox goes; kept for ever. What was handed over arrives at once or, if a flush fails, maybe not."""

    def __init__(self) -> None:
        self.told: dict[ShardId, dict[str, bytes]] = {}
        self.arrived = 0

    def arrive(self, shard: ShardId, told: OutboxEntry) -> None:
        if told.kind == NOTE:  # each is like the one before: none may be missed
            return
        known = self.told.setdefault(shard, {})
        if known.setdefault(told.key, told.payload) != told.payload:
            raise BrokenPromiseError(f"{told.key} was told as {known[told.key]!r} and as {told.payload!r}")
        self.arrived += 1


class Producer:
    """A `Publisher` of one process: what it was handed arrives in order, at the latest when it is flushed."""

    def __init__(self, topics: Topics, rng: random.Random) -> None:
        self._topics, self._rng = topics, rng
        self._waiting: list[tuple[ShardId, OutboxEntry]] = []
        self._failed = False

    def send(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> None:
        self._waiting += [(shard, told) for told in entries]
        self._deliver(self._rng.randint(0, len(self._waiting)))

    def flush(self) -> None:
        self._deliver(len(self._waiting))
        failed, self._failed = self._failed, False
        if failed:
            raise RetryableError("something was given up")

    def fail(self) -> None:
        """A part arrives, the rest is given up."""
        self._deliver(self._rng.randint(0, len(self._waiting)))
        self._waiting.clear()
        self._failed = True

    def _deliver(self, count: int) -> None:
        for shard, told in self._waiting[:count]:
            self._topics.arrive(shard, told)
        del self._waiting[:count]


class Arrived:
    """`Published` as one process sees the topics: now and then it misses one."""

    def __init__(self, topics: Topics, rng: random.Random) -> None:
        self._topics, self._rng = topics, rng

    def among(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> set[int]:
        told = self._topics.told.get(shard, {})
        return {e.seq for e in entries if e.key in told and self._rng.random() < 0.9}


class Attempts(MemoryAttempts):
    """Notes of what was begun. Processes die at random here, never because of a record: what would condemn one stays
    out of sight (that rule has tests of its own, with records that do kill)."""

    def deaths(self, shard: str) -> list[tuple[int, int, int]]:
        return [(start, end, min(count, DEATHS - 1)) for start, end, count in super().deaths(shard)]


class Snapshots(MemorySnapshots):
    """The compacted topic, watched: what is kept is the state at its offset."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    def write(self, snapshot: Snapshot, committed: int) -> bool:
        shard = next(s for s in self._world.shards if s.name == snapshot.shard)
        rows = {row.key: row.data for row in snapshot.rows if not row.key.startswith("*")}
        if rows != self._world.truth[shard].rows[snapshot.next]:
            raise BrokenPromiseError(f"{shard.name}: the snapshot at {snapshot.next} is not the state there")
        return super().write(snapshot, committed)


class World:
    """One cluster of `partitions` shards. `rng` decides everything."""

    def __init__(
        self, rng: random.Random, partitions: int, records: int, make_store: "Callable[[], Store]" = Store
    ) -> None:
        self.rng = rng
        self.now_s = 0.0
        self.kill, self.error = 0.0, 0.0  # how likely at a call
        self.shards = [ShardId("prices", "id", p) for p in range(partitions)]
        self.logs = {shard: Log(_records(rng, records)) for shard in self.shards}
        self.truth = {shard: Truth(shard, self.logs[shard]) for shard in self.shards}
        self.store = make_store()
        self.server = 0
        self.groups = {shard: Group(self, shard) for shard in self.shards}
        self.topics = Topics()
        self.attempts = Attempts()
        self.snapshots = Snapshots(self)
        self.queue: list[Task] = []
        self.told: list[Told] = []
        self._issued: dict[tuple[str, str, int], object] = {}
        self._names = 0

    def incarnation(self) -> str:
        self._names += 1
        return f"i{self._names}"

    def issue(self, task: Task, claim: object) -> None:
        """A task leaves its bridge. No two claims may ever dispatch under one epoch."""
        key = task.shard.name, task.incarnation, task.epoch
        if self._issued.setdefault(key, claim) != claim:
            raise BrokenPromiseError(f"two claims dispatched under {key}")

    def check_offset(self, shard: ShardId, mark: Mark) -> None:
        """All that was found below a committed offset is published."""
        told = self.topics.told.get(shard, {})
        for name, payload in self.truth[shard].told.items():
            if int(payload.split(b":")[0]) < mark.offset and name not in told:
                raise BrokenPromiseError(f"offset {mark.offset} is committed, and {name} was never told")

    def restart_state(self, disk: object) -> None:
        """The state's server dies and comes back with what is on `disk`."""
        self.store.come_back(disk)
        self.server += 1


class Faulty:
    """A port through which calls may fail; `hit` is asked before and after each."""

    def __init__(self, target: object, hit: Callable[[], None], failed: Callable[[], None] = lambda: None) -> None:
        self._target, self._hit, self._failed = target, hit, failed

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        def call(*args: object) -> object:
            try:
                self._hit()
                result = method(*args)
                self._hit()
            except RetryableError:
                self._failed()
                raise
            return result

        return call


def _records(rng: random.Random, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        kind = rng.random()
        if kind < 0.03:
            found.append(POISON)
        elif kind < 0.1:
            found.append(BEAT)
        else:
            found.append(rng.choice(SYMBOLS).encode() + bytes([rng.randrange(33, 126)]))
    return found
