"""Tick history in memory: plain NumPy and Python, the reference that the Parquet adapter is held against."""

import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind, TickBatch, concat

_SCAN_ROWS = 100_000


class MemoryTickHistory:
    """A `TickHistory` in this process's memory; every read joins all batches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: list[TickBatch] = []
        self._fates: list[NDArray[np.int8]] = []
        self._taken = 0

    def append(self, ticks: TickBatch, fates: NDArray[np.int8], start: int, end: int) -> None:
        """As the port says."""
        if len(fates) != len(ticks):
            raise ValueError(f"{len(fates)} fates for {len(ticks)} ticks of [{start}, {end})")
        with self._lock:
            keep = (ticks.kind != Kind.HEARTBEAT) & (ticks.offset >= max(self._taken, start)) & (ticks.offset < end)
            self._batches.append(ticks.take(keep))
            self._fates.append(fates[keep].copy())
            self._taken = max(self._taken, end)

    def flush(self) -> int:
        """As the port says: here everything taken is as durable as the process."""
        with self._lock:
            return self._taken

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As the port says."""
        if interval_ns <= 0:
            raise ValueError(f"interval_ns must be positive, is {interval_ns}")
        ticks, fates = self._all()
        ids = [i for i, s in enumerate(ticks.symbols) if s == Instrument(venue, symbol)] if ticks else []
        if ticks is None or not ids:
            return _bars([])
        judged = ticks.take((ticks.symbol_id == ids[0]) & (fates == Fate.JUDGED))
        judged = judged.take(np.lexsort((judged.offset, judged.ts_event_ns)))
        made: dict[tuple[int, int], list[float]] = {}
        for i in range(len(judged)):
            ts, long = int(judged.ts_event_ns[i]), bool(judged.interval_ns[i] > interval_ns)
            at = ts if long else ts // interval_ns * interval_ns
            if from_ns <= at < to_ns:
                _add(made, (at, int(judged.offset[i]) if long else -1), judged, i)
        return _bars([[at, *values] for (at, _), values in sorted(made.items())])

    def scan(self, from_ns: int, to_ns: int) -> Iterator[TickBatch]:
        """As the port says; ties in event time stand in tape order."""
        ticks, _ = self._all()
        if ticks is None:
            return
        ticks = ticks.take((ticks.ts_event_ns >= from_ns) & (ticks.ts_event_ns < to_ns))
        ticks = ticks.take(np.lexsort((ticks.offset, ticks.ts_event_ns)))
        for first in range(0, len(ticks), _SCAN_ROWS):
            yield ticks.take(slice(first, first + _SCAN_ROWS))

    def _all(self) -> tuple[TickBatch | None, NDArray[np.int8]]:
        with self._lock:
            if not self._batches:
                return None, np.zeros(0, np.int8)
            return concat(self._batches), np.concatenate(self._fates)


def _add(made: dict[tuple[int, int], list[float]], key: tuple[int, int], ticks: TickBatch, i: int) -> None:
    values = [float(column[i]) for column in (ticks.open, ticks.high, ticks.low, ticks.close, ticks.volume)]
    bar = made.get(key)
    if bar is None:
        made[key] = values
        return
    bar[1], bar[2], bar[3] = max(bar[1], values[1]), min(bar[2], values[2]), values[3]
    if not np.isnan(values[4]):
        bar[4] = values[4] if np.isnan(bar[4]) else bar[4] + values[4]


def _bars(rows: list[list[float]]) -> Bars:
    columns = [np.array([row[i] for row in rows], np.float64) for i in range(1, 6)]
    return Bars(np.array([row[0] for row in rows], np.int64), *columns)
