"""The engine as the cluster's protocol sees it: raw batches in, rows, entries of the outbox and fates out."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from tapewatch.detection.breadth_buffer import MINUTE_KEY
from tapewatch.detection.engine import Engine
from tapewatch.detection.state import row_keys
from tapewatch.model.alerts import AuditEntry
from tapewatch.model.market import MarketMinute, ShardMinutes
from tapewatch.model.ticks import Fate, FeedBatch, Kind
from tapewatch.model.times import format_rfc3339
from tapewatch.runtime.cluster.protocol.ports import Judged, ShardId
from tapewatch.runtime.known_sessions import KnownSessions
from tapewatch.runtime.pipeline import outbox_of
from tapewatch.runtime.rule_change import MANIFEST, change_rules, check_rows, manifest_row, rules_in
from tapewatch.stores.port import OutboxEntry, ShardHead, ShardStore, StateRow
from tapewatch.tape.codec import JsonDecoder
from tapewatch.tape.kafka_dead import DeadMessage
from tapewatch.tape.port import RawBatch

_MS_NS = 1_000_000
_HEARTBEAT = int(Kind.HEARTBEAT)
_SAID = 2_000  # minutes and symbols in a message: some 200 kB


class EngineDetection:
    """A `Detection` on an engine of its own."""

    def __init__(self, shard: ShardId, engine: Engine, decoder: JsonDecoder, now_ns: Callable[[], int]) -> None:
        self._shard, self._engine, self._decoder, self._now_ns = shard, engine, decoder, now_ns
        self._read: tuple[RawBatch, FeedBatch] | None = None
        self._told_ns = 0
        self._sessions = KnownSessions()

    @property
    def fingerprint(self) -> str:
        return self._engine.fingerprint

    def keys(self, raw: RawBatch) -> Sequence[str] | None:
        """The rows of the batch's symbols; all where a heartbeat may move any of them."""
        batch = self._decoded(raw)
        if _HEARTBEAT in batch.ticks.kind:
            return None
        return [MINUTE_KEY, *(key for symbol in batch.ticks.symbols for key in row_keys(symbol))]

    def load(self, rows: Sequence[StateRow]) -> None:
        self._engine.load((row.key, row.data) for row in rows)

    def judge(self, raw: RawBatch) -> Judged:
        batch = self._decoded(raw)
        self._read = None
        self._sessions.look(batch.ticks)
        outcome = self._engine.process(batch.ticks)
        fates = outcome.fate_counts()
        if batch.dead:
            fates[Fate.DEAD] = len(batch.dead)
        outbox = [dead_entry(self._shard, raw, letter.offset, letter.reason) for letter in batch.dead]
        if len(outcome.events):  # few small batches have any, and to write of none takes as long as to judge
            outbox += outbox_of(outcome, (), format_rfc3339(self._now_ns() // _MS_NS * _MS_NS))
        minutes = outcome.minutes
        if minutes.through_ns > self._told_ns:  # once more after a load: who merges them drops what it has
            self._told_ns = minutes.through_ns
            said = split_minutes(self._shard.name, minutes.through_ns, minutes.messages())
            outbox += [OutboxEntry("breadth", "*", msgspec.json.encode(part)) for part in said]
        return Judged([StateRow(key, data) for key, data in self._engine.changed_rows()], outbox, fates)

    def _decoded(self, raw: RawBatch) -> FeedBatch:
        """The columns: asked for twice, made once."""
        if self._read is None or self._read[0] is not raw:
            self._read = (raw, self._decoder.decode(raw))
        return self._read[1]


def split_minutes(source: str, through_ns: int, minutes: Sequence[MarketMinute]) -> list[ShardMinutes]:
    """What a shard says of its minutes, in the order of time, in messages that a broker takes; a minute is in one."""
    found: list[ShardMinutes] = []
    part: list[MarketMinute] = []
    size = 0
    for minute in minutes:
        if size >= _SAID and minute.end_ns != part[-1].end_ns:
            found.append(ShardMinutes(source, part[-1].end_ns, part))
            part, size = [], 0
        part.append(minute)
        size += 1 + len(minute.past)
    return [*found, ShardMinutes(source, through_ns, part)]


class EngineRules:
    """The `Rules` of this process."""

    def __init__(self, make_engine: Callable[[], Engine], store: ShardStore, now_ns: Callable[[], int]) -> None:
        self._make, self._store, self._now_ns = make_engine, store, now_ns
        engine = make_engine()
        self._fingerprint, self._rules = engine.fingerprint, engine.rules

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def manifest(self, rows: Sequence[StateRow]) -> StateRow | None:
        return None if any(row.key == MANIFEST for row in rows) else manifest_row(self._rules)

    def check(self, rows: Sequence[StateRow]) -> None:
        check_rows(rows, self._make())

    def stale(self, rows: Sequence[StateRow]) -> bool:
        """Rules and versions; where only the calibration differs, the fingerprint in the shard's head tells it."""
        data = next((row.data for row in rows if row.key == MANIFEST), None)
        return data is not None and rules_in(data) != [(r.name, r.version) for r in self._rules.rules]

    def change(self, head: ShardHead, rows: Sequence[StateRow]) -> ShardHead:
        return change_rules(self._store, head, list(rows), self._make(), self._now_ns())


def dead_entry(shard: ShardId, raw: RawBatch, offset: int, reason: str) -> OutboxEntry:
    """The outbox entry of one record that is given up, with its bytes as they stood."""
    at = int(np.searchsorted(raw.offsets, offset))
    letter = DeadMessage(
        topic=shard.topic,
        partition=shard.partition,
        offset=offset,
        reason=reason,
        original=raw.data[int(raw.starts[at]) : int(raw.starts[at + 1])],
    )
    return OutboxEntry("dead", f"{letter.topic}:{letter.partition}:{offset}", msgspec.json.encode(letter))


def all_dead(shard: ShardId, raw: RawBatch, reason: str) -> list[OutboxEntry]:
    """Every record of a batch, given up for this reason."""
    return [dead_entry(shard, raw, int(offset), reason) for offset in raw.offsets]


def gap_entry(shard: ShardId, start: int, first: int, now_ns: int) -> OutboxEntry:
    """What is told of offsets that the log removed before they were judged."""
    entry = AuditEntry(
        seq=0,
        at_ns=now_ns,
        actor="bridge",
        action="gap",
        subject=f"{shard.topic}/{shard.partition}",
        detail={"from_offset": start, "to_offset": first, "records": first - start},
    )
    return OutboxEntry("audit", "*", msgspec.json.encode(entry))
