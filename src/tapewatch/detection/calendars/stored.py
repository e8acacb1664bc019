"""Regular hours as they are stored: `sessions.json`, which `tools/make_calendars.py` writes."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

Hours = tuple[tuple[int, int], ...]  # stretches of regular trading, in minutes of the local day


class _Stored(msgspec.Struct, frozen=True, rename={"first": "from"}):
    zone: str
    first: str
    until: str
    patterns: list[tuple[str, str, str]]
    closed: str
    special: dict[str, str]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Regular hours of one exchange: a weekly pattern that changes at dates, and the days that differ from it."""

    zone: str
    first: date
    until: date
    pattern_dates: tuple[date, ...]
    patterns: tuple[tuple[Hours, frozenset[int]], ...]
    exceptions: dict[date, Hours]  # no stretch: closed

    def hours(self, day: date) -> Hours:
        """Regular hours of a day; outside of the known years, those of the nearest pattern."""
        found = self.exceptions.get(day)
        if found is not None:
            return found
        hours, weekdays = self.patterns[max(0, bisect_right(self.pattern_dates, day) - 1)]
        return hours if day.weekday() in weekdays else ()


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _hours(text: str) -> Hours:
    stretches = (part.split("-") for part in text.split(","))
    return tuple((_minutes(begin), _minutes(end)) for begin, end in stretches)


def _date(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


@cache
def _stored() -> dict[str, _Stored]:
    raw = files(__package__).joinpath("sessions.json").read_bytes()
    return msgspec.json.decode(raw, type=dict[str, _Stored])


@cache
def calendar(name: str) -> Calendar:
    """The calendar of an exchange; KeyError for one that is not stored."""
    stored = _stored()[name]
    closed: dict[date, Hours] = {_date(d): () for d in stored.closed.split()}
    return Calendar(
        zone=stored.zone,
        first=_date(stored.first),
        until=_date(stored.until),
        pattern_dates=tuple(_date(p[0]) for p in stored.patterns),
        patterns=tuple((_hours(p[1]), frozenset(map(int, p[2]))) for p in stored.patterns),
        exceptions=closed | {_date(d): _hours(h) for d, h in stored.special.items()},
    )
