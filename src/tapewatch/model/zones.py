"""Local clock times without an offset, read in a venue's zone: whole columns at once, both DST changes right."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.errors import InputError
from tapewatch.model.times import DAY_NS, SECOND_NS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_NS = 365 * DAY_NS


@dataclass(frozen=True, slots=True)
class LocalReading:
    """What a column of naive local times means. Arrays of one length.

    `utc_ns` reads an ambiguous time as its earlier pass; `later_by_ns` is what to add for the later pass (0 where the
    time is not ambiguous) and `hour_ns` the first local time of the ambiguous hour that it lies in. `missing` marks
    times that the zone skipped: their `utc_ns` means nothing. All but `utc_ns` are None where the column has no such
    time, which is nearly always.
    """

    utc_ns: NDArray[np.int64]
    later_by_ns: NDArray[np.int64] | None
    hour_ns: NDArray[np.int64] | None
    missing: NDArray[np.bool_] | None


def read_local(local_ns: NDArray[np.int64], zone: str) -> LocalReading:
    """Read naive local times (nanoseconds since 1970-01-01T00:00 on the zone's own clock) as UTC.

    Cost: one addition a time where no clock change lies in the column's range, else a binary search a time. Raises
    InputError for an unknown zone.
    """
    if local_ns.size == 0:
        return LocalReading(local_ns, None, None, None)
    low, high = int(local_ns.min()), int(local_ns.max())
    changes = _changes_between(zone, low - 2 * DAY_NS, high + 2 * DAY_NS)
    near = [c for c in changes if c.local_first_ns <= high and c.local_last_ns > low]
    if not near:
        before = [c for c in changes if c.local_last_ns <= low]
        offset = before[-1].after_ns if before else _offset_ns(zone, low - 2 * DAY_NS)
        return LocalReading(local_ns - offset, None, None, None)
    ends_ns = np.array([c.at_ns + c.before_ns for c in near])  # on the old clock: until here the old offset holds
    offsets = np.array([near[0].before_ns, *(c.after_ns for c in near)])
    utc = local_ns - offsets[np.searchsorted(ends_ns, local_ns, side="right")]
    later, hour = np.zeros(local_ns.shape, np.int64), np.zeros(local_ns.shape, np.int64)
    missing = np.zeros(local_ns.shape, np.bool_)
    for change in near:
        inside = (local_ns >= change.local_first_ns) & (local_ns < change.local_last_ns)
        if change.after_ns < change.before_ns:
            later[inside] = change.before_ns - change.after_ns
            hour[inside] = change.local_first_ns
        else:
            missing |= inside
    twice, never = bool(later.any()), bool(missing.any())
    return LocalReading(utc, later if twice else None, hour if twice else None, missing if never else None)


def check_zone(zone: str) -> str:
    """The zone's name as given; InputError where the time zone database does not know it."""
    _zone(zone)
    return zone


@dataclass(frozen=True, slots=True)
class _Change:
    at_ns: int
    before_ns: int  # offsets from UTC
    after_ns: int

    @property
    def local_first_ns(self) -> int:
        """First local time that is ambiguous (or missing)."""
        return self.at_ns + min(self.before_ns, self.after_ns)

    @property
    def local_last_ns(self) -> int:
        """First local time after it that is plain again."""
        return self.at_ns + max(self.before_ns, self.after_ns)


@lru_cache(maxsize=256)
def _zone(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"{zone!r} is not a time zone, e.g. America/New_York") from None


def _moment(ts_ns: int) -> datetime:
    return _EPOCH + timedelta(seconds=ts_ns // SECOND_NS)


def _offset_ns(zone: str, ts_ns: int) -> int:
    offset = _moment(ts_ns).astimezone(_zone(zone)).utcoffset() or timedelta(0)
    return (offset.days * 86_400 + offset.seconds) * SECOND_NS


def _changes_between(zone: str, low_ns: int, high_ns: int) -> list[_Change]:
    found: list[_Change] = []
    for year in range(low_ns // _YEAR_NS, high_ns // _YEAR_NS + 1):
        found += [c for c in _changes_in(zone, year) if low_ns <= c.at_ns <= high_ns]
    return found


@lru_cache(maxsize=4096)
def _changes_in(zone: str, year: int) -> tuple[_Change, ...]:
    """Changes of the offset in (start, end] of one stretch of 365 days: looked for day by day, then halved."""
    found: list[_Change] = []
    left, left_offset = year * _YEAR_NS, _offset_ns(zone, year * _YEAR_NS)
    for day in range(1, 366):
        right = year * _YEAR_NS + day * DAY_NS
        right_offset = _offset_ns(zone, right)
        if right_offset != left_offset:
            found.append(_Change(_instant(zone, left, right, left_offset), left_offset, right_offset))
        left, left_offset = right, right_offset
    return tuple(found)


def _instant(zone: str, left_ns: int, right_ns: int, before_ns: int) -> int:
    low, high = left_ns // SECOND_NS, right_ns // SECOND_NS
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_ns(zone, middle * SECOND_NS) == before_ns:
            low = middle
        else:
            high = middle
    return high * SECOND_NS
