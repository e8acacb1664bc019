"""Ports of everything that is kept: shard state with its outbox, alerts, cases, notices' ledger, tasks, tick history.

All methods are blocking and may be called from several threads. All raise RetryableError where the store is busy or
out of reach.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import Alert, AuditEntry, Case, Incident
from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.model.ledger import LedgerRow as LedgerRow  # noqa: PLC0414 - part of this port; notify makes it too
from tapewatch.model.market import Group, MarketFindings, MarketMinute
from tapewatch.model.report_task import ReportTask as ReportTask  # noqa: PLC0414 - part of this port; reports make it
from tapewatch.model.report_task import TaskStatus as TaskStatus  # noqa: PLC0414
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import DeadLetter, Fate, TickBatch

OutboxKind = Literal["signal", "alert", "dead", "audit", "breadth", "market"]
"""`breadth`: what a shard says of its minutes (`ShardMinutes`), for who merges the shards; `market`: what the merger
found (`MarketFindings`)."""


@dataclass(frozen=True, slots=True)
class StateRow:
    """One row of a shard's state. `key` is opaque: `VENUE|SYMBOL|part`, or `*|part` for the shard's own."""

    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something detected that has to reach its sink: JSON of a Signal, Alert, DeadLetter, AuditEntry,
    ShardMinutes or MarketFindings."""

    kind: OutboxKind
    key: str  # canonical symbol: the key on the tape and on what is published
    payload: bytes
    seq: int = 0  # given by the store, rising by one a shard


@dataclass(frozen=True, slots=True)
class Commit:
    """One batch's whole effect on a shard. `start` must be the stored `next`; `end` becomes it."""

    shard: str
    incarnation: str
    fingerprint: str
    epoch: int
    start: int
    end: int
    rows: Sequence[StateRow]
    outbox: Sequence[OutboxEntry]
    fates: dict[Fate, int]  # how many records of [start, end) met which fate; the store keeps the sums


@dataclass(frozen=True, slots=True)
class Place:
    """Where the entries of a commit stand in the outbox, as of the commit: `last_seq` is the seq of the newest entry
    (theirs, or that of an earlier one where the commit has none), and `before` undelivered ones stand before them."""

    last_seq: int
    before: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a commit tells who listens, at the moment at which it takes effect: under which claim it was made, where the
    shard stands now, and what it put into the outbox (None where that is too much to be told)."""

    shard: str
    incarnation: str
    epoch: int
    next: int
    place: Place
    entries: Sequence[OutboxEntry] | None


@dataclass(frozen=True, slots=True)
class ShardHead:
    """Where a shard stands, without its rows."""

    shard: str
    incarnation: str
    fingerprint: str
    epoch: int
    next: int
    fates: dict[Fate, int] = field(default_factory=dict)


class ShardStore(Protocol):
    """State, outbox and offset of shards, changed together or not at all."""

    def claim(
        self, shard: str, incarnation: str, fingerprint: str, epoch_floor: int = 0
    ) -> tuple[ShardHead, list[StateRow]]:
        """Take a shard over: create it empty at next = 0 with the given incarnation and fingerprint if it is new;
        else leave incarnation and fingerprint as stored. The epoch becomes max(stored, `epoch_floor`) + 1, where the
        floor is an epoch known from elsewhere (the store may have lost some). Return the head and all rows."""
        ...

    def load(self, shard: str, keys: Sequence[str] | None = None) -> tuple[ShardHead, list[StateRow]] | None:
        """The head and, as of the same moment, the rows of `keys` that exist (None: all); None for an unknown shard.
        Changes nothing: for who works on a batch of a shard that another one owns."""
        ...

    def commit(self, commit: Commit) -> Place:
        """Do all of it or raise CommitRefusedError with the first check that fails, in the order incarnation,
        fingerprint, epoch, start. All checks come before the first write. Who knows what it has handed on tells from
        the place whether anything stands between that and these entries."""
        ...

    def drain(self, shard: str, limit: int, owner: ShardHead | None = None) -> list[OutboxEntry]:
        """The oldest undelivered entries in order; repeated until `ack`. With `owner`, the head as last seen under its
        claim, raise CommitRefusedError (`incarnation`, `epoch`, `start`) where, at the same moment, another claim has
        come since or the shard stands before `owner.next`: a store that lost something has nothing to deliver, which
        must not be taken for everything having been delivered."""
        ...

    def ack(self, shard: str, seq: int, owner: ShardHead | None = None) -> None:
        """Delete the entries up to and including `seq`. With `owner`, the head that its claim returned, raise
        CommitRefusedError (`incarnation`, `epoch`) and delete nothing where another claim has come since."""
        ...

    def forget(self, owner: ShardHead) -> None:
        """Be as if the shard had never been known, its outbox included. Raises CommitRefusedError (`incarnation`,
        `epoch`) where another claim than `owner`'s has come since."""
        ...

    def set_fingerprint(self, commit: Commit, fingerprint: str) -> None:
        """Change the rules at `commit.start == commit.end == next`: like `commit`, and drop every row that is not in
        `commit.rows`, and store the new fingerprint. One compare-and-set."""
        ...


class AlertQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a page of alerts, signals or incidents; None means any. Times are the onset's (signals: the tick's),
    `from_ns` inclusive, `to_ns` exclusive."""

    from_ns: int | None = None
    to_ns: int | None = None
    venue: str | None = None
    symbol: str | None = None
    severity: list[str] | None = None
    rule: list[str] | None = None
    direction: list[str] | None = None
    alert_type: list[str] | None = None  # incidents: that have an alert of such a type
    state: list[str] | None = None
    category: list[str] | None = None
    incident_id: str | None = None
    alert_id: str | None = None
    newest_first: bool = True
    limit: int = 100
    after: tuple[int, str] | None = None  # (onset_ns, id) of the last item seen: the cursor


class AlertStore(Protocol):
    """Alerts (one record an id: the newest revision), their signals, and the incidents folded from them."""

    def upsert(self, alerts: Sequence[Alert], signals: Sequence[Signal]) -> list[Alert]:
        """Write the alerts whose revision is above the stored one, in order; return those that took effect. Signals are
        written once by `signal_id`. Each effect gets the next number of the change log that `changes` reads."""
        ...

    def page(self, query: AlertQuery) -> list[Alert]:
        """At most `query.limit` alerts in the stable order (onset_ns, alert_id), after the cursor."""
        ...

    def signals(self, query: AlertQuery) -> list[Signal]:
        """At most `query.limit` signals in the order (ts_event_ns, signal_id), after the cursor."""
        ...

    def incidents(self, query: AlertQuery) -> list[Incident]:
        """At most `query.limit` incidents in the order (onset_ns, incident_id), after the cursor."""
        ...

    def changes(self, after: int, limit: int) -> Sequence[tuple[int, Alert | None]]:
        """Alert revisions in the order in which they took effect, numbered from 1 without holes: what SSE streams.
        None has a number, but no effect: a log that may hold a revision twice has it in place of the second.

        Old entries may have been removed by retention; the caller sees that where the first number is not after + 1.
        """
        ...


class GroupQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of a page of groups; None means any. Times are of the opening, `from_ns` inclusive, `to_ns` exclusive."""

    group_id: str | None = None
    market: str | None = None
    state: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    newest_first: bool = True
    limit: int = 100
    after: tuple[int, str] | None = None  # (opened_ns, group_id) of the last item seen: the cursor


class GroupStore(Protocol):
    """Market-wide moves (one record an id: the newest revision), and the minutes of markets that tell who moved."""

    def put(self, found: MarketFindings) -> list[Group]:
        """Write the groups whose revision is above the stored one, in order, and the minutes that are new by market and
        end; return the groups that took effect."""
        ...

    def groups(self, query: GroupQuery) -> list[Group]:
        """At most `query.limit` groups in the stable order (opened_ns, group_id), after the cursor."""
        ...

    def minutes(self, market: str, from_ns: int, to_ns: int) -> list[MarketMinute]:
        """The minutes of a market that ended in [from_ns, to_ns), oldest first."""
        ...


class CaseStore(Protocol):
    """What people did. Written by people's requests only, never by the engine."""

    def cases(self, alert_ids: Sequence[str]) -> dict[str, Case]:
        """The cases that exist among `alert_ids`."""
        ...

    def put(self, case: Case, entry: AuditEntry) -> AuditEntry:
        """Store `case` if the stored version is case.version - 1 (0 where there is none), and append `entry` (its seq
        is given here) in the same step; CommitRefusedError("version", ...) where it is not. `entry` alone may be
        appended through `audit_append`."""
        ...

    def audit_append(self, entry: AuditEntry) -> AuditEntry:
        """Append; returns the entry with its seq."""
        ...

    def put_silence(self, silence: Silence, entry: AuditEntry) -> AuditEntry:
        """Store a silence, over the one of its id, and append `entry` in the same step."""
        ...

    def silences(self) -> list[Silence]:
        """All silences that people ever made, ended ones too, in the order of their ids."""
        ...

    def audit(self, subject: str | None, after: int, limit: int) -> list[AuditEntry]:
        """Entries in order, after seq `after`."""
        ...


class NoticeLedger(Protocol):
    """Which notices are owed, sent or given up."""

    def owe(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Insert the rows that are new by key; return those."""
        ...

    def due(self, now_ns: int, limit: int, without: Collection[str] = ()) -> list[LedgerRow]:
        """Pending rows whose `next_try_ns` has come, oldest first; none of the channels in `without`."""
        ...

    def settle(self, row: LedgerRow) -> None:
        """Overwrite the row of the same key. The text of what was sent or muted need not be kept."""
        ...


class GivenUpNotices(Protocol):
    """A look at the notices that nobody tries to send any more; `NoticeLedger.settle` can make one pending again."""

    def given_up(self, limit: int) -> list[LedgerRow]:
        """The newest `limit` rows whose state is `dead`, oldest first."""
        ...


class NoticeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one notice; `at_ns` is when its row was last written (in Redis: when it was tried last, or will be
    tried next)."""

    alert_id: str  # or a group's id
    revision: int
    channel: str
    recipient: str
    state: str
    attempts: int
    reason: str | None  # why it was suppressed, is tried again or was given up
    at_ns: int


class NoticeReader(Protocol):
    """A look at the ledger, for who asks whether and when people were told."""

    def notices(self, subject: str, limit: int) -> list[NoticeRecord]:
        """The newest `limit` notices of an alert or a group, oldest first."""
        ...


class TaskStore(Protocol):
    """Report tasks and their files."""

    def put(self, task: ReportTask, content: bytes | None = None) -> None:
        """Insert or overwrite by task_id; `content` is the finished file."""
        ...

    def get(self, task_id: str) -> ReportTask | None: ...

    def content(self, task_id: str) -> bytes | None: ...

    def claim(self, now_ns: int) -> ReportTask | None:
        """The oldest queued task, set to running (attempts + 1) in the same step; None where there is none."""
        ...

    def requeue_running(self) -> int:
        """At start-up: running tasks become queued again; returns how many."""
        ...


class DeadLetterReader(Protocol):
    """Records that could not be read, for those who look at them."""

    def dead_letters(self, after: int, limit: int) -> list[tuple[int, DeadLetter]]:
        """Numbered, in the order in which they came."""
        ...


class DeadLetterStore(DeadLetterReader, Protocol):
    """Records that could not be read."""

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """Insert by (source, offset, raw); repeats change nothing. Not without `raw`: a source is the name of a file,
        and tomorrow's file may have the name of today's."""
        ...


class BarReader(Protocol):
    """The part of a tick history that looks need."""

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As `TickHistory.bars` says."""
        ...


@runtime_checkable
class ArchiveReader(BarReader, Protocol):
    """A tick history that can also tell what it has ticks of."""

    def instruments(self, from_ns: int, to_ns: int) -> list[Instrument]:
        """Those that have a tick, of any fate, with an event time in [from_ns, to_ns); in no order."""
        ...


class TickHistory(Protocol):
    """All readable ticks of the tape, for analysis, charts and backtests."""

    def append(self, ticks: TickBatch, fates: NDArray[np.int8], start: int, end: int) -> None:
        """Take the records [start, end) (heartbeats are left out). May buffer; `archived` tells what is durable.

        A range that begins below what it already took is cut, so that a replay after a crash writes nothing twice.
        """
        ...

    def flush(self) -> int:
        """Make everything taken so far durable; return `archived`: the offset below which nothing can be lost."""
        ...

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """Bars of `interval_ns` of the symbol whose start lies in [from_ns, to_ns), from judged ticks only.

        Bars in the history that are longer than `interval_ns` are given as they are.
        """
        ...

    def scan(self, from_ns: int, to_ns: int) -> Iterator[TickBatch]:
        """All ticks of all symbols in event-time order, in batches."""
        ...
