"""Phases of a venue in time."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tapewatch.detection.calendars.phases import Phase
from tapewatch.detection.calendars.stored import Hours, calendar
from tapewatch.detection.calendars.venues import VenueInfo, venue_info
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

FOREVER_NS = int(np.iinfo(np.int64).max)
LONGEST_LUNCH_NS = 3 * HOUR_NS
_EPOCH = date(1970, 1, 1)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # the whole years of int64 nanoseconds


def known_from_ns(venue: str) -> int:
    """The first instant whose holidays are known; 0 for crypto, FOREVER_NS where the venue's hours are unknown."""
    info = venue_info(venue)
    if info.calendar:
        return _midnight_ns(info, calendar(info.calendar).first)
    return 0 if info.known else FOREVER_NS


def known_until_ns(venue: str) -> int:
    """The instant up to which holidays are known; beyond it `boundaries` goes on with the plain week, so say so once.

    FOREVER_NS for crypto, which never closes; 0 for a stock venue whose hours are unknown.
    """
    info = venue_info(venue)
    if info.calendar:
        return _midnight_ns(info, calendar(info.calendar).until + timedelta(days=1))
    return FOREVER_NS if info.known else 0


def _midnight_ns(info: VenueInfo, day: date) -> int:
    return int(datetime.combine(day, time(), ZoneInfo(info.zone)).timestamp()) * SECOND_NS


def _day(info: VenueInfo, hours: Hours) -> list[tuple[int, Phase]]:
    """(minute of the local day, phase that begins there) of a day with a session."""
    found = [(hours[0][0] - info.pre_min, Phase.PRE)] if info.pre_min else []
    for (begin, end), (next_begin, _) in pairwise((*hours, (-1, -1))):
        found.append((begin, Phase.REGULAR))
        if next_begin > end:
            found.append((end, Phase.CLOSED))
    close = hours[-1][1]
    if info.post_min:
        found.append((close, Phase.POST))
    return [*found, (close + info.post_min, Phase.CLOSED)]


def _offset_minutes(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None, "an aware datetime has an offset"
    return int(offset.total_seconds()) // 60


@cache
def _year(venue: str, year: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Boundaries of one year (by local date). A session lies within one UTC offset: clocks change at night."""
    info, zone = venue_info(venue), ZoneInfo(venue_info(venue).zone)
    hours_of = calendar(info.calendar).hours
    minutes: list[int] = []
    phases: list[int] = []
    for ordinal in range(date(year, 1, 1).toordinal(), date(year + 1, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        hours = hours_of(day)
        if not hours:
            continue
        offset = _offset_minutes(datetime(day.year, day.month, day.day, hours[0][0] // 60, tzinfo=zone))
        midnight = (day - _EPOCH).days * 1440 - offset
        for minute, phase in _day(info, hours):
            minutes.append(midnight + minute)
            phases.append(phase)
    return np.array(minutes, dtype=np.int64) * MINUTE_NS, np.array(phases, dtype=np.int8)


def boundaries(venue: str, from_ns: int, to_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Where the phase of `venue` changes in [from_ns, to_ns): (starts, phases), equally long, at least one entry.

    `starts` rises strictly and `starts[0] <= from_ns`; phase `phases[i]` (a `Phase`) holds in [starts[i], starts[i+1]),
    the last one up to `to_ns` at least. So the phase at t is `phases[searchsorted(starts, t, "right") - 1]`.
    DST, holidays, half-days and lunch breaks are in it; outside of the known years (`known_from_ns`, `known_until_ns`)
    the weekly pattern is. Never raises. Cost: about 1 ms for each year not asked for before, else microseconds.
    """
    info = venue_info(venue)
    from_ns, to_ns = int(from_ns), int(to_ns)
    if not info.calendar:
        return np.array([from_ns], dtype=np.int64), np.array([Phase.CONTINUOUS], dtype=np.int8)
    first, last = _year_of(from_ns - 15 * DAY_NS), _year_of(max(from_ns, to_ns) + DAY_NS)
    blocks = [_year(venue, year) for year in range(first, last + 1)]
    starts, phases = np.concatenate([b[0] for b in blocks]), np.concatenate([b[1] for b in blocks])
    if starts[0] > from_ns:  # in 1677 only
        starts, phases = np.insert(starts, 0, from_ns), np.insert(phases, 0, Phase.CLOSED)
    low = max(0, int(np.searchsorted(starts, from_ns, "right")) - 1)
    high = max(low + 1, int(np.searchsorted(starts, to_ns, "left")))
    return starts[low:high], phases[low:high]


def trading_days(starts: NDArray[np.int64], phases: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(begins, ends) of what each stretch of `boundaries` is a part of: those of the regular phase before and after a
    lunch break are one, with one open and one close; any other stands for itself."""
    begins, ends = starts.copy(), np.append(starts[1:], FOREVER_NS)
    between = (phases[:-2] == Phase.REGULAR) & (phases[1:-1] == Phase.CLOSED) & (phases[2:] == Phase.REGULAR)
    lunch = np.flatnonzero(between & (starts[2:] - starts[1:-1] <= LONGEST_LUNCH_NS)) + 1
    begins[lunch + 1] = starts[lunch - 1]
    ends[lunch - 1] = ends[lunch + 1]
    return begins, ends


def _year_of(ts_ns: int) -> int:
    year = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ts_ns // SECOND_NS)).year
    return min(max(year, _FIRST_YEAR), _LAST_YEAR)


def phases_at(venue: str, ts_ns: NDArray[np.int64]) -> NDArray[np.int8]:
    """The phase of `venue` at each of `ts_ns` (any order; empty gives empty)."""
    if ts_ns.size == 0:
        return np.zeros(0, dtype=np.int8)
    starts, phases = boundaries(venue, int(ts_ns.min()), int(ts_ns.max()) + 1)
    return phases[np.searchsorted(starts, ts_ns, "right") - 1]
