"""What travels between bridge and workers, and the ports by which the protocol reaches the world.

Every method may raise RetryableError, and may then have taken effect or not.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tapewatch.model.ticks import Fate
from tapewatch.stores.port import OutboxEntry, Place, ShardHead, StateRow
from tapewatch.tape.port import RawBatch


@dataclass(frozen=True, slots=True)
class ShardId:
    """One partition of one topic. A topic that was made again under its name has another id: it is another log."""

    topic: str
    topic_id: str
    partition: int

    @property
    def name(self) -> str:
        """The shard's name in the state."""
        return f"{self.topic}/{self.topic_id}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Task:
    """One batch for an executor: `raw` from `raw.start` to `raw.end`, to be judged on the state that it names.

    `silent`: it was judged and published before, and is judged again to rebuild the state: nothing is published.
    `noted`: the executor notes that it begins and ends, because something died here before. `condemned`: why the
    records are dead letters without being looked at, else empty.
    """

    shard: ShardId
    incarnation: str
    fingerprint: str
    epoch: int
    raw: RawBatch
    silent: bool = False
    noted: bool = False
    condemned: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What one commit told: it moved `next` to `end`, and `entries` stand at this place in the outbox."""

    end: int
    entries: Sequence[OutboxEntry]
    place: Place


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a task that was waited for: committed up to `next`, in these steps; `refused` is the check that
    failed, if one did."""

    next: int
    refused: str = ""
    found: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What a batch came to, ready to be committed."""

    rows: Sequence[StateRow]
    outbox: Sequence[OutboxEntry]
    fates: dict[Fate, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A shard's whole state at `next`."""

    shard: str
    next: int
    fingerprint: str
    rows: Sequence[StateRow]
    fates: dict[Fate, int] = field(default_factory=dict)


class Detection(Protocol):
    """Reads and judges batches of one shard on rows in memory. Deterministic but for stamps of detection."""

    @property
    def fingerprint(self) -> str:
        """Of the rules and their calibration."""
        ...

    def keys(self, raw: RawBatch) -> Sequence[str] | None:
        """Keys of the rows that judging these messages needs; None where it needs all."""
        ...

    def load(self, rows: Sequence[StateRow]) -> None:
        """Take these rows into memory, over what is there of them."""
        ...

    def judge(self, raw: RawBatch) -> Judged:
        """Judge the messages and change the rows in memory. May raise anything, and the memory is then worthless."""
        ...


class Executor(Protocol):
    """Has tasks judged."""

    def dispatch(self, task: Task) -> Done | None:
        """Judge and commit it now and say how it went; or hand it over, and nobody says whether it will ever be
        done (None)."""
        ...


class Log(Protocol):
    """The partition, for reading. See `tape.port.Tape`."""

    def read(self, start: int, max_messages: int, max_bytes: int) -> RawBatch:
        """The messages from `start` on; empty (end == start) where there are none now. Raises OffsetGoneError."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """What is committed in Kafka for a partition: the offset, and what of the state belongs to it. `incarnation` is
    empty where nothing was ever committed."""

    offset: int = 0
    epoch: int = 0
    incarnation: str = ""


class Offsets(Protocol):
    """The consumer group's offset of the partition."""

    def committed(self) -> Mark: ...

    def commit(self, mark: Mark) -> None:
        """Raises CommitRefusedError (`member`) where this process is not, or no longer, a member of the group."""
        ...


class Attempts(Protocol):
    """Which ranges of a shard were begun and never ended: where executors died. Kept where no executor's death reaches
    it; losing it costs time only."""

    def begin(self, shard: str, start: int, end: int) -> None: ...

    def ended(self, shard: str, start: int, end: int) -> None:
        """It ended, well or not: it was not a death."""
        ...

    def deaths(self, shard: str) -> list[tuple[int, int, int]]:
        """(start, end, how often it was begun without having ended)."""
        ...

    def forget(self, shard: str) -> None: ...


class Rules(Protocol):
    """The rules that this process is set to."""

    @property
    def fingerprint(self) -> str: ...

    def manifest(self, rows: Sequence[StateRow]) -> StateRow | None:
        """The row that says which rules the state belongs to; None where `rows` have it."""
        ...

    def check(self, rows: Sequence[StateRow]) -> None:
        """Return where this version can read the rows, of whatever rules; else UnknownLayoutError."""
        ...

    def stale(self, rows: Sequence[StateRow]) -> bool:
        """Whether the rows, which were checked, belong to other rules."""
        ...

    def change(self, head: ShardHead, rows: Sequence[StateRow]) -> ShardHead:
        """Bring the shard to these rules, by one compare-and-set at `head.next`."""
        ...


class Snapshots(Protocol):
    """Snapshots of shards: the two newest of each."""

    def write(self, snapshot: Snapshot, committed: int) -> bool:
        """Keep it in the place of the older one; False, and nothing is written, where that is the only one at or below
        the `committed` offset."""
        ...

    def newest(self, shard: str, at_most: int) -> Snapshot | None:
        """The newest whole one with `next` at or below `at_most`."""
        ...


class Publisher(Protocol):
    """Where the outbox goes. `send` may be called by several threads."""

    def send(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> None:
        """Hand entries over, in order."""
        ...

    def flush(self) -> None:
        """Wait until all that was handed over is acknowledged; RetryableError where any of what was handed over since
        the last call, by whichever thread, may not be: also where a `send` has raised."""
        ...


class Published(Protocol):
    """What has arrived where the outbox goes."""

    def among(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> Collection[int]:
        """The `seq` of those entries that are there already, as far as that is found out within bounds: one that is
        missing here is published a second time."""
        ...
