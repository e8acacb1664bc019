"""Heartbeats of a feed that replays or generates: the tape's own clock, on an event-time grid of one second.

A symbol's timers must fire although the symbol itself is silent. Whenever the acting time of the tape (the highest so
far) crosses a point of the grid, one heartbeat goes before the record that crossed it; its time is the last point at or
below that record's acting time. After the end comes one more: the last acting time rounded up to the grid.

A wrong date in one record must not end the day of all symbols. So a record that acts more than ten days ahead of the
clock moves it only together with the one before it, as far as both have come.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import DTYPES, Column, Kind, TickBatch
from tapewatch.model.times import DAY_NS, SECOND_NS

LEAP_NS = 10 * DAY_NS
"""So far ahead of the clock a record is not believed alone; no exchange rests for longer."""
NO_TIME = np.iinfo(np.int64).min
"""Acting time of a record that has none (a dead letter): it takes an offset and moves no clock."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the records of one chunk stand once the heartbeats are among them; indices count from the chunk's start."""

    records: NDArray[np.int64]  # place of each record
    heartbeats: NDArray[np.int64]  # place of each heartbeat
    times_ns: NDArray[np.int64]  # time of each heartbeat

    @property
    def length(self) -> int:
        return int(self.records.size + self.heartbeats.size)


class HeartbeatGrid:
    """Puts heartbeats among the records of one tape, chunk after chunk; how it is cut into chunks changes nothing."""

    def __init__(self, grid_ns: int = SECOND_NS, leap_ns: int = LEAP_NS) -> None:
        self._grid_ns, self._leap_ns = grid_ns, leap_ns
        self._clock_ns: int = NO_TIME
        self._before_ns: int = NO_TIME  # when the record before acts, if it has a time

    def place(self, acting_ns: NDArray[np.int64]) -> Placed:
        """Find the heartbeats before the records with these acting times (`NO_TIME`: none), in tape order.

        Cost: a few passes over the array, no Python a record.
        """
        n = acting_ns.size
        if n == 0:
            nothing = np.empty(0, np.int64)
            return Placed(nothing, nothing, nothing)
        clock = np.empty(n + 1, np.int64)
        clock[0] = self._clock_ns
        clock[1:] = acting_ns
        timed = acting_ns[acting_ns != NO_TIME]
        np.maximum.accumulate(clock, out=clock)
        if (clock[1:] - clock[:-1] > self._leap_ns)[clock[:-1] != NO_TIME].any():
            clock[1:] = self._believed(acting_ns)
            np.maximum.accumulate(clock, out=clock)
        if timed.size:
            self._before_ns = int(timed[-1])
        points = clock // self._grid_ns
        crossed = points[1:] > points[:-1]
        crossed &= clock[:-1] != NO_TIME  # the first record of all starts the clock and crosses nothing
        self._clock_ns = int(clock[-1])
        before = np.flatnonzero(crossed)
        records = np.arange(n, dtype=np.int64)
        if before.size == 0:
            return Placed(records, before, np.empty(0, np.int64))
        records += np.cumsum(crossed)
        return Placed(records, records[before] - 1, points[before + 1] * self._grid_ns)

    def _believed(self, acting_ns: NDArray[np.int64]) -> list[int]:
        """How far each record may move the clock. One by one: hardly any chunk has a leap."""
        clock, before, found = self._clock_ns, self._before_ns, []
        for at in acting_ns.tolist():
            seen = min(at, before) if NO_TIME != clock < at - self._leap_ns else at
            if at != NO_TIME:
                before = at
            clock = max(clock, seen)
            found.append(seen)
        return found

    def last(self) -> int | None:
        """Time of the heartbeat after the end; None for a tape on which no record had a time."""
        if self._clock_ns == NO_TIME:
            return None
        return -(-self._clock_ns // self._grid_ns) * self._grid_ns


def acting_times(ticks: TickBatch) -> NDArray[np.int64]:
    """When each record acts: a trade at its time, a bar at its end."""
    return ticks.ts_event_ns + ticks.interval_ns


def heartbeat_columns(times_ns: NDArray[np.int64]) -> dict[str, Column]:
    """The columns of heartbeats at these times; offsets are 0, for the caller to give."""
    n = times_ns.size
    columns: dict[str, Column] = {name: np.zeros(n, dtype) for name, dtype in DTYPES.items()}
    columns["symbol_id"][:] = -1
    columns["kind"][:] = Kind.HEARTBEAT
    columns["ts_event_ns"] = np.asarray(times_ns, np.int64)
    columns["volume"][:] = np.nan
    return columns


def insert_heartbeats(
    symbols: tuple[Instrument, ...], columns: dict[str, Column], placed: Placed, first_offset: int
) -> TickBatch:
    """Build the batch of a chunk's records and heartbeats; the record at place i gets the offset first_offset + i.

    `columns` has the columns of `DTYPES` (but `offset`) for exactly the records in `placed.records`, in order; places
    that neither a record nor a heartbeat takes are left out (they are dead letters).
    """
    if placed.heartbeats.size == 0:
        return TickBatch(symbols, **{**columns, "offset": placed.records + first_offset})
    order = np.argsort(np.concatenate([placed.records, placed.heartbeats]), kind="stable")
    beats = heartbeat_columns(placed.times_ns)
    joined: dict[str, Column] = {}
    for name in DTYPES:
        if name == "offset":
            joined[name] = np.concatenate([placed.records, placed.heartbeats])[order] + first_offset
        else:
            joined[name] = np.concatenate([columns[name], beats[name]])[order]
    return TickBatch(symbols, **joined)
