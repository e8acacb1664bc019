"""Where a kernel writes breadth, and what is read out of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tapewatch.detection.breadth import BREADTH, PAST
from tapewatch.detection.rules import RuleSet
from tapewatch.detection.state import SymbolTable, plain
from tapewatch.model.errors import UnknownLayoutError
from tapewatch.model.instruments import Instrument
from tapewatch.model.market import MarketMinute, Past
from tapewatch.model.times import MINUTE_NS

MINUTE_KEY = "*|breadth"
"""The row of a shard that tells which minute it has passed."""

_ROWS, _PAST = 1024, 4096
_NO_ROWS, _NO_PAST = np.zeros(0, BREADTH), np.zeros(0, PAST)  # made once: most batches end no minute


@dataclass(frozen=True, slots=True)
class Minutes:
    """What each market of a shard did: columns (`BREADTH`; `PAST`, whose `row` is a place in `rows`), in order of time.
    `through_ns`: all minutes up to this one are over; 0 where none is yet."""

    rows: Any
    past: Any
    through_ns: int
    _markets: tuple[str, ...]
    _instruments: list[Instrument]

    def active(self) -> dict[str, int]:
        """Active symbols by market, in the last minute."""
        last = self.rows[self.rows["end_ns"] == self.through_ns]
        return {self._markets[int(r["market"])]: int(r["active"]) for r in last}

    def messages(self, *, only_past: bool = False) -> list[MarketMinute]:
        """A message for each minute and market with active symbols; with `only_past`, where one was past its
        threshold (all that matters where there is no other shard to add to). About 2 us each."""
        wanted = (self.rows["up"] + self.rows["down"] if only_past else self.rows["active"]) > 0
        past: dict[int, list[Past]] = {}
        for row, slot, up, since, z, move in self.past.tolist():
            at = self._instruments[slot]
            past.setdefault(row, []).append(Past(at.venue, at.symbol, bool(up), since, z, move))
        found = []
        for at in np.flatnonzero(wanted).tolist():
            row = dict(zip(BREADTH.names or (), self.rows[at].tolist(), strict=True))
            row["market"] = self._markets[row["market"]]
            listed = sorted(past.get(at, ()), key=lambda p: (p.venue, p.symbol, p.up))
            found.append(MarketMinute(**row, past=listed))
        return found


class MinuteBuffer:
    """Buffers of one engine. Of its `clock` the kernel reads and writes: the time beyond which the next heartbeat ends
    a minute, used places in `rows` and in `past`, the number of markets, and the bits of `open_mask` that are moves
    of prices.
    """

    def __init__(self, clock: Any, rules: RuleSet, table: SymbolTable) -> None:
        self._clock = clock
        self._table = table
        self._saved_ns = 0
        self._kept_rows: list[Any] = []
        self._kept_past: list[Any] = []
        self._kept = 0
        self.rows: Any = plain(np.zeros(_ROWS, BREADTH).view(np.recarray))
        self.past: Any = plain(np.zeros(2 * _PAST, PAST).view(np.recarray))
        moves = (i for i, r in enumerate(rules.rules) if r.detector.category == "price" and r.detector.directed)
        clock[4] = sum(3 << 2 * i for i in moves)
        self.fit()

    def fit(self) -> None:
        """Make room for the symbols and markets that there are."""
        markets, slots = len(self._table.markets), len(self._table.instruments)
        self._clock[3] = markets
        if len(self.rows) < markets:
            self.rows = plain(np.zeros(2 * markets, BREADTH).view(np.recarray))
        if len(self.past) < _PAST + 2 * slots:
            self.past = plain(np.zeros(2 * _PAST + 4 * slots, PAST).view(np.recarray))

    def keep(self) -> None:
        """Take out what the kernel wrote, so that it may go on."""
        used, noted = int(self._clock[1]), int(self._clock[2])
        if used:
            past = np.asarray(self.past[:noted]).view(PAST).copy()
            past["row"] += self._kept
            self._kept_rows.append(np.asarray(self.rows[:used]).view(BREADTH).copy())
            self._kept_past.append(past)
            self._kept += used
        self._clock[1] = self._clock[2] = 0

    def take(self) -> Minutes:
        """What was kept since the last call."""
        rows = np.concatenate(self._kept_rows) if self._kept_rows else _NO_ROWS
        past = np.concatenate(self._kept_past) if self._kept_past else _NO_PAST
        self._kept_rows, self._kept_past, self._kept = [], [], 0
        through_ns = int(rows["end_ns"][-1]) if len(rows) else self._through_ns()
        return Minutes(rows, past, through_ns, tuple(self._table.markets), self._table.instruments)

    def _through_ns(self) -> int:
        return max(0, int(self._clock[0]) - MINUTE_NS)

    def changed(self) -> Iterator[tuple[str, bytes]]:
        """The row of the minute that was passed, where it is another since the last call."""
        if self._clock[0] != self._saved_ns:
            self._saved_ns = int(self._clock[0])
            yield MINUTE_KEY, self._saved_ns.to_bytes(8, "little", signed=True)

    def load(self, data: bytes | None) -> None:
        """Go on from a stored row. UnknownLayoutError where it is none of ours."""
        if data is not None:
            if len(data) != 8:
                raise UnknownLayoutError(f"state row {MINUTE_KEY!r} ({len(data)} bytes) has another layout than ours")
            self._clock[0] = self._saved_ns = int.from_bytes(data, "little", signed=True)
