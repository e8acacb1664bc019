"""One shard in this process: feed -> detection -> history and commit -> outbox -> alerts. The same protocol as on the
cluster."""

import queue
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from tapewatch.alerts.breadth import Merger
from tapewatch.detection.engine import Engine, Outcome
from tapewatch.feeds.port import Feed
from tapewatch.model.alerts import Alert, AuditEntry
from tapewatch.model.errors import InputError
from tapewatch.model.market import MarketFindings, ShardMinutes
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import DeadLetter, Fate, FeedBatch
from tapewatch.model.times import format_rfc3339
from tapewatch.runtime.known_sessions import KnownSessions
from tapewatch.runtime.rule_change import MERGER, change_rules, manifest_row
from tapewatch.stores.port import (
    AlertStore,
    CaseStore,
    Commit,
    DeadLetterStore,
    GroupStore,
    OutboxEntry,
    ShardHead,
    ShardStore,
    StateRow,
    TickHistory,
)

QUEUED = 2
DRAIN = 1000


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where a pipeline's results go. `history` may be None: ticks are then not kept."""

    shards: ShardStore
    alerts: AlertStore
    cases: CaseStore
    dead_letters: DeadLetterStore
    history: TickHistory | None = None
    groups: GroupStore | None = None  # None: groups are found, and not kept


@dataclass(slots=True)
class Progress:
    """What a pipeline has done in this process; read by status, metrics and progress bars from other threads."""

    next: int = 0
    records: int = 0
    batches: int = 0
    event_ns: int = 0  # acting time of the newest record
    alerts: int = 0  # revisions that took effect
    signals: int = 0
    fates: dict[Fate, int] = field(default_factory=dict)  # since the tape's beginning
    groups: int = 0  # revisions of groups that took effect
    market_ns: int = 0  # all minutes of markets up to this one are over, and what followed from them is stored
    active: dict[str, int] = field(default_factory=dict)  # symbols with a tick in the last five minutes, by market


@dataclass(frozen=True, slots=True)
class _Done:
    """One batch, judged and ready to be committed."""

    batch: FeedBatch
    outcome: Outcome
    rows: list[StateRow]


class Pipeline:
    """Runs a feed through an engine and commits each batch once, with its state, its alerts and its position.

    `claim` before `run`. After a crash at any moment a new pipeline over the same stores goes on from the committed
    position and gives what an uninterrupted run would have given. `on_alerts` is called, in order and in the committing
    thread, with the revisions that took effect.
    """

    def __init__(
        self,
        shard: str,
        engine: Engine,
        sinks: Sinks,
        now: Callable[[], int],
        on_alerts: Callable[[Sequence[Alert]], None] = lambda _: None,
    ) -> None:
        self._shard = shard
        self._engine = engine
        self._sinks = sinks
        self._now = now
        self._on_alerts = on_alerts
        self._head: ShardHead | None = None
        self._fresh = False
        self._merger = Merger([shard])
        self._sessions = KnownSessions()
        self.progress = Progress()

    def claim(self) -> ShardHead:
        """Take the shard over, load its state (changing the rules where they differ), deliver what was left
        undelivered."""
        store = self._sinks.shards
        head, rows = store.claim(self._shard, uuid.uuid4().hex, self._engine.fingerprint)
        self._fresh = not rows
        if head.fingerprint != self._engine.fingerprint:
            head = change_rules(store, head, rows, self._engine, self._now())
        else:
            self._engine.load((r.key, r.data) for r in rows)
        self._merger.load(*(r.data for r in rows if r.key == MERGER))
        self._head = head
        self.progress.next = head.next
        self.progress.fates = dict(head.fates)
        self._deliver()
        return head

    def run(
        self,
        feed: Feed,
        limit: int,
        stop: threading.Event | None = None,
        on_records: Callable[[float], None] = lambda _: None,
    ) -> None:
        """Process the feed to its end, or until `stop` is set; everything that was processed is then committed.

        `on_records` hears how many records were judged, batch by batch.
        """
        if self._head is None:
            raise InputError("a pipeline has to claim its shard before it runs")
        work: queue.Queue[_Done | None] = queue.Queue(QUEUED)
        failed: list[BaseException] = []
        committer = threading.Thread(target=self._commit_all, args=(work, failed), name="commit", daemon=True)
        committer.start()
        try:
            for batch in feed.batches(self._head.next, limit):
                if failed or (stop is not None and stop.is_set()):
                    break
                work.put(self._judge(batch))
                on_records(batch.end - batch.start)
        finally:
            work.put(None)
            committer.join()
        if failed:
            raise failed[0]
        if self._sinks.history is not None:
            self._sinks.history.flush()

    def _judge(self, batch: FeedBatch) -> _Done:
        self._sessions.look(batch.ticks)
        outcome = self._engine.process(batch.ticks)
        rows = [StateRow(key, data) for key, data in self._engine.changed_rows()]
        if self._fresh:
            rows.append(manifest_row(self._engine.rules))
            self._fresh = False
        return _Done(batch, outcome, rows)

    def _commit_all(self, work: "queue.Queue[_Done | None]", failed: list[BaseException]) -> None:
        while (done := work.get()) is not None:
            if failed:
                continue  # take the rest off the queue, so that the judging side can end
            try:
                self._commit(done)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that runs the pipeline
                failed.append(error)

    def _commit(self, done: _Done) -> None:
        batch, head = done.batch, self._head
        assert head is not None
        if self._sinks.history is not None:  # before the commit: what is committed is never missing there
            self._sinks.history.append(batch.ticks, done.outcome.fates, batch.start, batch.end)
        fates = done.outcome.fate_counts()
        if batch.dead:
            fates[Fate.DEAD] = len(batch.dead)
        rows, found = self._merge(done)
        outbox = outbox_of(done.outcome, batch.dead, format_rfc3339(self._now() // 1_000_000 * 1_000_000))
        outbox += found
        self._sinks.shards.commit(
            Commit(
                self._shard, head.incarnation, head.fingerprint, head.epoch, batch.start, batch.end, rows, outbox,
                fates,
            )
        )  # fmt: skip
        self._head = _moved(head, batch.end)
        self._count(batch, fates)
        if outbox:
            self._deliver()
        if done.outcome.minutes.through_ns > self.progress.market_ns:
            self.progress.active = done.outcome.minutes.active()
            self.progress.market_ns = done.outcome.minutes.through_ns

    def _merge(self, done: _Done) -> tuple[list[StateRow], list[OutboxEntry]]:
        """The rows with the merger's, and what it found. This shard is the only one: minutes in which nobody was past a
        threshold need not be told to anybody."""
        minutes = done.outcome.minutes
        if minutes.through_ns <= self._merger.through_ns:
            return done.rows, []
        found = self._merger.take(ShardMinutes(self._shard, minutes.through_ns, minutes.messages(only_past=True)))
        rows = [*done.rows, StateRow(MERGER, self._merger.save())]
        telling = found.groups or found.minutes
        return rows, [OutboxEntry("market", "*", msgspec.json.encode(found))] if telling else []

    def _count(self, batch: FeedBatch, fates: dict[Fate, int]) -> None:
        progress = self.progress
        progress.next = batch.end
        progress.records += batch.end - batch.start
        progress.batches += 1
        if len(batch.ticks):
            progress.event_ns = int(batch.ticks.ts_event_ns[-1] + batch.ticks.interval_ns[-1])
        progress.fates = {f: progress.fates.get(f, 0) + fates.get(f, 0) for f in {*progress.fates, *fates}}

    def _deliver(self) -> None:
        """Drain the outbox into its sinks, in order; what is delivered twice after a crash changes nothing."""
        sinks = self._sinks
        while entries := sinks.shards.drain(self._shard, DRAIN):
            alerts = [msgspec.json.decode(e.payload, type=Alert) for e in entries if e.kind == "alert"]
            signals = [msgspec.json.decode(e.payload, type=Signal) for e in entries if e.kind == "signal"]
            dead = [msgspec.json.decode(e.payload, type=DeadLetter) for e in entries if e.kind == "dead"]
            if sinks.groups is not None:  # before the alerts: who is told of them looks for their group
                for found in (
                    msgspec.json.decode(e.payload, type=MarketFindings) for e in entries if e.kind == "market"
                ):
                    self.progress.groups += len(sinks.groups.put(found))
            for entry in (e for e in entries if e.kind == "audit"):
                _append_once(sinks.cases, msgspec.json.decode(entry.payload, type=AuditEntry))
            effects = sinks.alerts.upsert(alerts, signals)
            if dead:
                sinks.dead_letters.add(dead)
            sinks.shards.ack(self._shard, entries[-1].seq)
            self.progress.alerts += len(effects)
            self.progress.signals += len(signals)
            if effects:
                self._on_alerts(effects)


def _moved(head: ShardHead, position: int) -> ShardHead:
    return ShardHead(head.shard, head.incarnation, head.fingerprint, head.epoch, position)


def _append_once(cases: CaseStore, entry: AuditEntry) -> None:
    """The audit only appends: an entry that a crash left in the outbox is looked for first. They are few a subject."""
    after = 0
    while page := cases.audit(entry.subject, after, DRAIN):
        if any(msgspec.structs.replace(known, seq=entry.seq) == entry for known in page):
            return
        after = page[-1].seq
    cases.audit_append(entry)


def outbox_of(outcome: Outcome, dead: Sequence[DeadLetter], detected: str) -> list[OutboxEntry]:
    """What a batch has to tell, in order: what could not be read, signals, alert revisions."""
    encode = msgspec.json.encode
    entries = [OutboxEntry("dead", d.source, encode(d)) for d in dead]
    entries += [OutboxEntry("signal", s.symbol.upper(), encode(s)) for s in outcome.signals(detected)]
    entries += [OutboxEntry("alert", a.symbol.upper(), encode(a)) for a in outcome.alerts(detected)]
    return entries
