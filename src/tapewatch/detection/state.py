"""A shard's state in memory: rows of every symbol, and their bytes for the store."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import numpy as np
from numba import config
from numpy.typing import NDArray

from tapewatch.alerts.codes import NEVER_NS
from tapewatch.detection.calendars import FOREVER_NS, Phase, boundaries, trading_days, venue_info
from tapewatch.detection.layout import LAYOUT
from tapewatch.detection.markets import market_of
from tapewatch.model.errors import UnknownLayoutError
from tapewatch.model.instruments import Instrument
from tapewatch.model.times import DAY_NS

YEAR_NS = 366 * DAY_NS
EARLIEST_NS, LATEST_NS = -220 * YEAR_NS, 220 * YEAR_NS
"""Nothing trades outside of these (about 1750 and 2190): a date out there is a mistake, and the venue is closed."""


def plain(table: Any) -> Any:
    """The same memory as a plain array: a kernel takes it microseconds sooner than a recarray. Where kernels run as
    Python, which needs the names as attributes, the recarray itself."""
    as_python: bool = config.DISABLE_JIT  # type: ignore[attr-defined]  # Numba sets its options at run time
    return table if as_python else np.frombuffer(table, np.dtype((np.void, table.dtype)))


@lru_cache(maxsize=1 << 16)
def row_keys(name: Instrument) -> tuple[str, str]:
    """The keys of a symbol's rows, hot and cold: `VENUE|SYMBOL|part`. Kept: each batch asks for all of its symbols.

    A symbol may hold a bar; a venue's, and its `*`, are quoted, so that any name reads back."""
    both = f"{quote(name.venue, safe='')}|{name.symbol}|"
    return both + "hot", both + "cold"


def read_key(key: str) -> tuple[Instrument, str]:
    """The symbol and the part (`hot`, `cold`) that a row's key names."""
    venue, _, rest = key.partition("|")
    symbol, _, part = rest.rpartition("|")
    return Instrument(unquote(venue), symbol), part


def _closing(venue: str, lo: int, hi: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """The venue's boundaries up to its last close before `hi`, so that every session in the table has its end."""
    starts, phases = boundaries(venue, lo, hi)
    last = int(np.flatnonzero(phases == Phase.CLOSED)[-1]) + 1
    starts, phases = starts[:last], phases[:last]
    if lo == EARLIEST_NS:
        starts, phases = np.insert(starts, 0, -FOREVER_NS), np.insert(phases, 0, Phase.CLOSED)
    if hi == LATEST_NS:
        starts, phases = np.append(starts, FOREVER_NS), np.append(phases, np.int8(Phase.CLOSED))
    return starts, phases


class Bounds(NamedTuple):
    """When phases begin, which they are and their trading days; those of venue i are `at[i]` to `at[i + 1]`."""

    ns: NDArray[np.int64]
    phase: NDArray[np.int64]
    day: NDArray[np.int64]  # n x 2: begin and end
    at: NDArray[np.int64]


class Sessions:
    """Boundaries of the phases of the venues in use, in one table that grows when a tick lies beyond it."""

    def __init__(self) -> None:
        self.venues: dict[str, int] = {}
        self._names: list[str] = []
        self._ranges: list[tuple[int, int]] = []
        self._tables: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
        self._joined: Bounds | None = None

    @property
    def bounds(self) -> "Bounds":
        """Those of all venues, one after another; put together when something has changed."""
        if self._joined is None:
            at = np.cumsum([0, *(len(table[0]) for table in self._tables)])
            starts, phases, days = zip(*self._tables, strict=True) if self._tables else ((), (), ())
            nothing = np.zeros(0, np.int64)
            self._joined = Bounds(
                ns=np.concatenate([nothing, *starts]),
                phase=np.concatenate([nothing, *phases]),
                day=np.concatenate([nothing.reshape(0, 2), *days]),
                at=at.astype(np.int64),
            )
        return self._joined

    def index(self, venue: str) -> int:
        """Position of the venue, added if it is new."""
        if venue not in self.venues:
            self.venues[venue] = len(self.venues)
            self._names.append(venue)
            self._ranges.append((0, 0))
            self._tables.append(_table(venue, 0, 0))
            self._joined = None
        return self.venues[venue]

    def cover(self, venue: int, ts_ns: int) -> None:
        """Make the venue's boundaries reach at least a year to both sides of `ts_ns`."""
        start = min(max(ts_ns // YEAR_NS * YEAR_NS, EARLIEST_NS), LATEST_NS - YEAR_NS)
        lo, hi = self._ranges[venue]
        wanted = (max(start - YEAR_NS, EARLIEST_NS), min(start + 2 * YEAR_NS, LATEST_NS))
        self._ranges[venue] = wanted if lo == hi else (min(lo, wanted[0]), max(hi, wanted[1]))
        self._tables[venue] = _table(self._names[venue], *self._ranges[venue])
        self._joined = None


def _table(venue: str, lo: int, hi: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Where each phase begins, which it is, and begin and end of its trading day."""
    if not venue_info(venue).calendar:
        s, p = np.array([-FOREVER_NS, FOREVER_NS], np.int64), np.array([4, 4], np.int8)
    elif hi > lo:
        s, p = _closing(venue, lo, hi)
    else:
        s, p = np.array([0], np.int64), np.array([0], np.int8)
    return s, p.astype(np.int64), np.stack(trading_days(s, p), axis=1)


class SymbolTable:
    """Rows by symbol: `hot` and `cold`, with what is derived from configuration beside them. Grows by doubling."""

    def __init__(
        self,
        hot: np.dtype[np.void],
        cold: np.dtype[np.void],
        describe: Callable[[Instrument], tuple[int, int]],
    ) -> None:
        self._describe = describe
        self.sessions = Sessions()
        self.instruments: list[Instrument] = []
        self.slot_of: dict[Instrument, int] = {}
        self.hot: Any = np.zeros(16, hot).view(np.recarray)
        self.cold: Any = np.zeros(16, cold).view(np.recarray)
        self.plain_hot, self.plain_cold = plain(self.hot), plain(self.cold)
        self.dirty = np.zeros(16, np.int8)
        self.venue = np.zeros(16, np.int64)
        self.masks = np.zeros(16, np.int64)
        self.groups = np.zeros(16, np.int64)
        self.markets: dict[str, int] = {}
        self.market = np.zeros(16, np.int64)

    def slot(self, instrument: Instrument) -> int:
        """The symbol's row, made cold if it is new."""
        known = self.slot_of.get(instrument)
        if known is not None:
            return known
        at = len(self.instruments)
        if at == len(self.dirty):
            self._grow()
        self.instruments.append(instrument)
        self.slot_of[instrument] = at
        self.venue[at] = self.sessions.index(instrument.venue)
        self.masks[at], self.groups[at] = self._describe(instrument)
        self.market[at] = self.markets.setdefault(market_of(instrument.venue, instrument.symbol), len(self.markets))
        head = self.hot[at]["head"]
        head["layout"], head["deadline_ns"], head["session_end_ns"] = LAYOUT, NEVER_NS, NEVER_NS
        head["phase_from_ns"], head["phase_until_ns"] = NEVER_NS, -NEVER_NS
        self.cold[at]["layout"] = LAYOUT
        return at

    def _grow(self) -> None:
        for name in ("hot", "cold", "dirty", "venue", "masks", "groups", "market"):
            old = getattr(self, name)
            new = np.zeros(2 * len(old), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new.view(np.recarray) if name in ("hot", "cold") else new)
        self.plain_hot, self.plain_cold = plain(self.hot), plain(self.cold)

    def changed(self) -> Iterable[tuple[str, bytes]]:
        """Key and bytes of every row that changed since the last call."""
        dirty = self.dirty[: len(self.instruments)]
        for part, table, at in ((0, self.hot, np.flatnonzero(dirty)), (1, self.cold, np.flatnonzero(dirty & 2))):
            if not at.size:
                continue
            size = table.dtype.itemsize
            block = np.frombuffer(table, np.uint8).reshape(-1, size)[at].tobytes()  # all at once, and not by fields
            for i, slot in enumerate(at.tolist()):
                yield row_keys(self.instruments[slot])[part], block[i * size : (i + 1) * size]
        self.dirty[:] = 0

    def load(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Take rows from the store, in their order. UnknownLayoutError where a row has another layout: rebuild from the
        tape."""
        for key, data in rows:
            instrument, part = read_key(key)
            table: NDArray[Any] = self.hot if part == "hot" else self.cold
            if len(data) != table.dtype.itemsize or int.from_bytes(data[:8], "little") != LAYOUT:
                raise UnknownLayoutError(
                    f"state row {key!r} ({len(data)} bytes) has another layout than this version's"
                    f" ({table.dtype.itemsize} bytes, number {LAYOUT}); it must be rebuilt from the tape"
                )
            at = self.slot(instrument)
            table = self.hot if part == "hot" else self.cold
            table[at] = np.frombuffer(data, table.dtype)[0]
