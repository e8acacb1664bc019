"""Of how much history something was found: symbol-days, by the venue's date."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tapewatch.detection.calendars import venue_info
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind, TickBatch
from tapewatch.model.times import DAY_NS, SECOND_NS

EPOCH = date(1970, 1, 1)
CELLS, NEAR_DAYS = 4_000_000, 4_096


@lru_cache(maxsize=100_000)
def _offset_ns(zone: str, utc_day: int) -> int:
    """The zone's offset at noon of a UTC day; an hour off in the night of a change of clocks."""
    try:
        noon = datetime(1970, 1, 1, 12, tzinfo=UTC) + timedelta(days=utc_day)
        offset = noon.astimezone(ZoneInfo(zone)).utcoffset()
    except OverflowError:
        return 0  # a record dated outside of the years 1 to 9999
    return int(offset.total_seconds()) * SECOND_NS if offset is not None else 0


def local_day(venue: str, ts_ns: int) -> int:
    """Days from the epoch to the venue's date of a time."""
    return (ts_ns + _offset_ns(venue_info(venue).zone, ts_ns // DAY_NS)) // DAY_NS


def day_text(day: int) -> str:
    """ISO 8601 of such a day."""
    return (EPOCH + timedelta(days=day)).isoformat()


class Exposure:
    """Judged ticks by symbol and day, the span of time that they cover, and the longest bar."""

    def __init__(self) -> None:
        self.ticks: Counter[tuple[Instrument, int]] = Counter()
        self.first_ns, self.last_ns = 2**63 - 1, -(2**63)
        self.longest_ns = 0
        self.trades = False

    def add(self, batch: TickBatch, fates: NDArray[np.int8]) -> None:
        """Count a batch. Cost: a few passes over it; a sort where its times are far apart."""
        seen = np.flatnonzero((fates == Fate.JUDGED) & (batch.kind != Kind.HEARTBEAT))
        if not seen.size:
            return
        ts, ids = batch.ts_event_ns[seen], batch.symbol_id[seen].astype(np.int64)
        first, last = int(ts.min()), int(ts.max())
        self.first_ns, self.last_ns = min(self.first_ns, first), max(self.last_ns, last)
        self.longest_ns = max(self.longest_ns, int(batch.interval_ns[seen].max()))
        self.trades = self.trades or bool((batch.kind[seen] == Kind.TRADE).any())
        for at, day, n in _cells(ids, self._days(batch, ids, ts), len(batch.symbols)):
            self.ticks[batch.symbols[at], day] += n

    def _days(self, batch: TickBatch, ids: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
        utc = ts // DAY_NS
        low, high = int(utc.min()), int(utc.max())
        near = high - low < NEAR_DAYS
        days = np.arange(low, high + 1) if near else np.unique(utc)
        where = utc - low if near else np.searchsorted(days, utc)
        zones = [venue_info(s.venue).zone for s in batch.symbols]
        offsets = np.array([[_offset_ns(zone, int(d)) for d in days] for zone in zones], np.int64)
        local: NDArray[np.int64] = (ts + offsets[ids, where]) // DAY_NS
        return local

    def days(self) -> dict[int, int]:
        """How many symbols were seen on each day, by day."""
        counts = Counter(day for _, day in self.ticks)
        return dict(sorted(counts.items()))

    def between(self, first_day: int, end_day: int) -> "Exposure":
        """The part of some days, the last excluded."""
        part = Exposure()
        part.ticks = Counter({key: n for key, n in self.ticks.items() if first_day <= key[1] < end_day})
        part.longest_ns, part.trades = self.longest_ns, self.trades
        return part

    def symbol_days(self) -> int:
        return len(self.ticks)

    def of_symbol(self) -> Counter[Instrument]:
        """On how many days each symbol was seen."""
        return Counter(symbol for symbol, _ in self.ticks)


def _cells(ids: NDArray[np.int64], days: NDArray[np.int64], symbols: int) -> list[tuple[int, int, int]]:
    """(symbol, day, how many) of each pair that occurs."""
    low = int(days.min())
    span = int(days.max()) - low + 1
    keys = ids * span + (days - low)
    if symbols * span <= CELLS:
        counts = np.bincount(keys)
        present = np.flatnonzero(counts)
        numbers = counts[present]
    else:
        present, numbers = np.unique(keys, return_counts=True)
    return [(int(k) // span, int(k) % span + low, int(n)) for k, n in zip(present, numbers, strict=True)]
