"""The engine: (state, ticks) -> (state', signals, alerts). Pure; the only mutable thing is the state it is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tapewatch.alerts.codes import NEVER_NS
from tapewatch.alerts.rows import BUFFER
from tapewatch.detection.breadth_buffer import MINUTE_KEY, MinuteBuffer, Minutes
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.kernel import CALENDAR, DONE, kernel_for
from tapewatch.detection.layout import cold_dtype, hot_dtype
from tapewatch.detection.markets import common_name
from tapewatch.detection.narrate import Narrator
from tapewatch.detection.peers import NOBODY, peers
from tapewatch.detection.rules import RuleSet
from tapewatch.detection.state import SymbolTable, plain
from tapewatch.model.alerts import Alert
from tapewatch.model.instruments import Instrument
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import Fate, TickBatch, make_batch

_FATES = tuple(Fate)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one batch came to. `events` are columns (`EVENT`); signals and alerts are written out only when asked
    for."""

    fates: NDArray[np.int8]  # one a record, values of Fate
    events: Any  # recarray of EVENT, in tape order
    _narrator: Narrator
    minutes: Minutes  # what each market did in each minute that ended within the batch

    def fate_counts(self) -> dict[Fate, int]:
        """How many records met which fate."""
        counts = np.bincount(self.fates, minlength=len(_FATES)).tolist()
        return {fate: count for fate, count in zip(_FATES, counts, strict=True) if count}

    def signals(self, detected: str | None = None) -> list[Signal]:
        """The ticks on which a rule fired, in tape order, stamped with the time of detection. About 10 us each."""
        return self._narrator.signals(self.events, detected)

    def alerts(self, detected: str | None = None) -> list[Alert]:
        """The alert revisions, in tape order, stamped with the time of detection. About 30 us each."""
        return self._narrator.alerts(self.events, detected)


class Engine:
    """Runs one rule set over the symbols of one shard.

    `process` may be given any cut of the tape: the results and the bytes of state are the same (cut-invariance); so
    they are for any dealing of symbols to engines (shard-invariance).
    """

    def __init__(self, rules: RuleSet, calibration: Calibration) -> None:
        rules.refuse_unknown_groups(calibration.groups)
        self.rules = rules
        self.fingerprint = rules.fingerprint(calibration.digest())
        detectors = tuple(r.detector for r in rules.rules)
        self._run = kernel_for(detectors)
        self._params = plain(rules.record())
        self._group_table = plain(calibration.table())
        self._table = SymbolTable(
            hot_dtype(detectors, max((r.closes for r in rules.rules), default=0)),
            cold_dtype(len(detectors)),
            lambda i: (rules.mask(i, calibration.group_name(i)), calibration.group_index(i)),
        )
        # Earliest deadline, slot to resume a heartbeat at, number of slots, whether late ticks are judged.
        # Then what breadth needs (see `MinuteBuffer`), the length of chunks, the row to go on comparing venues at.
        self._clock = np.array([-NEVER_NS, 0, 0, int(rules.judge_late), 0, 0, 0, 0, 0, rules.chunk_ns, 0], np.int64)
        self.facts = calibration.instruments
        self._peers, self._peers_of = NOBODY, 0 if any(d.across for d in detectors) else -1  # -1: nobody asks
        self._minutes = MinuteBuffer(self._clock[4:9], rules, self._table)
        buffer = np.zeros(1, BUFFER).view(np.recarray)
        self._buffer = plain(buffer)
        self._events = buffer[0]["at"].view(np.recarray)
        self._none = self._events[:0].copy()
        self._symbols: tuple[Instrument, ...] = ()
        self._slots = np.zeros(1, np.int64)
        self._narrator = Narrator(rules, self._table.instruments, self.facts)

    @property
    def symbols(self) -> int:
        """How many symbols the shard has seen."""
        return len(self._table.instruments)

    def warm(self) -> None:
        """Compile the kernels, or load them from the cache, before the first tick."""
        self.process(make_batch((), 0))

    def process(self, batch: TickBatch) -> Outcome:
        """Judge the records of a batch in order and change the state. Cost: 10 to 150 ns a record, by the rules."""
        if batch.symbols is not self._symbols:
            self._slots = np.array([self._table.slot(s) for s in batch.symbols] or [0], np.int64)
            self._symbols = batch.symbols
        n = len(batch)
        fates = np.zeros(n, np.int8)
        self._clock[2] = len(self._table.instruments)
        self._minutes.fit()
        if self._peers_of >= 0 and self._peers_of != len(self._table.instruments):
            self._peers, self._peers_of = peers(self._table.instruments, self._name), len(self._table.instruments)
        found = []
        at = 0
        while True:
            table, bounds = self._table, self._table.sessions.bounds
            at, m, why = self._run(
                at, n, batch.symbol_id, batch.kind, batch.ts_event_ns, batch.interval_ns, batch.open, batch.high,
                batch.low, batch.close, batch.volume, batch.side, batch.trade_id_hash, batch.ts_append_ns, batch.offset,
                self._slots, table.venue, table.masks, table.groups, table.plain_hot, table.plain_cold, table.dirty,
                self._group_table, self._params, bounds.ns, bounds.phase, bounds.day,
                bounds.at, self._clock, fates, self._buffer, table.market, self._minutes.rows,
                self._minutes.past, self._peers,
            )  # fmt: skip
            if m:
                found.append(self._events[:m].copy())
            self._minutes.keep()
            if at >= n and why == DONE:
                break
            if why == CALENDAR:
                table.sessions.cover(int(table.venue[self._slots[batch.symbol_id[at]]]), int(batch.ts_event_ns[at]))
        return Outcome(fates, self._in_order(found, batch), self._narrator, self._minutes.take())

    def _in_order(self, found: list[Any], batch: TickBatch) -> Any:
        if not found:
            return self._none
        events = np.concatenate(found) if len(found) > 1 else found[0]
        # A heartbeat may end things of several symbols: their order must not depend on the order of the rows.
        beats = np.flatnonzero(batch.kind[events["record"]] == 2)
        if len(beats) > 1:
            names = self._table.instruments
            slots = events["slot"]
            order = sorted(beats, key=lambda e: (events["record"][e], names[slots[e]], e))
            events[beats] = events[np.array(order)]
        return events.view(np.recarray)

    def _name(self, of: Instrument) -> tuple[str, str]:
        return common_name(of, self.facts.get(str(of)))

    def changed_rows(self) -> list[tuple[str, bytes]]:
        """Key and bytes of the rows that changed since the last call."""
        return [*self._table.changed(), *self._minutes.changed()]

    def load(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Take a shard's rows from its store into a new engine; of the shard's own it knows `*|breadth` and leaves out
        the others. UnknownLayoutError where their layout is."""
        known = dict(rows)
        self._minutes.load(known.get(MINUTE_KEY))
        self._table.load(sorted((key, data) for key, data in known.items() if not key.startswith("*|")))
        self._clock[0] = -NEVER_NS

    def adopt(self, old: SymbolTable, moves: list[tuple[int, int | None]]) -> None:
        """Take over the rows of another rule set into this new engine. `moves` leads from the index of each old rule to
        the same rule's here, or to None where it is gone or changed. All rows then count as changed."""
        for at, instrument in enumerate(old.instruments):
            slot = self._table.slot(instrument)
            _copy_row(old.hot[at], old.cold[at], self._table.hot[slot], self._table.cold[slot], moves)
            self._table.dirty[slot] = 3


def _copy_row(hot: Any, cold: Any, to_hot: Any, to_cold: Any, moves: list[tuple[int, int | None]]) -> None:
    head, to_head = hot["head"], to_hot["head"]
    for name in head.dtype.names:
        if name not in ("closes", "open_mask"):
            to_head[name] = head[name]
    old_size, new_size = len(head["closes"]), len(to_head["closes"])
    for age in range(1, min(int(head["pos"]), old_size, new_size) + 1):
        at = int(head["pos"]) - age
        to_head["closes"][at % new_size] = head["closes"][at % old_size]
    to_cold["held"] = cold["held"]
    to_cold["incidents"] = cold["incidents"]
    mask = 0
    for old, new in moves:
        if new is None:
            continue
        to_hot[f"r{new}"] = hot[f"r{old}"]
        mask |= ((int(head["open_mask"]) >> (2 * old)) & 3) << (2 * new)
        for side in range(2):
            to_cold["episodes"][2 * new + side] = cold["episodes"][2 * old + side]
    to_head["open_mask"] = mask
    to_head["deadline_ns"] = 0  # looked at, and set right, at the next tick or heartbeat
