"""Times in messages, one at a time: the same texts mean the same as in a file."""

import re
from datetime import date

from tapewatch.model.times import DAY_NS, FIRST_YEAR, LAST_YEAR, LIMIT_NS, SECOND_NS

_UNITS = ((10**10, SECOND_NS), (10**13, 10**6), (10**16, 10**3))  # below the bound it is s, ms, us; else ns
_DATES = (19_000_101, 21_001_231)  # whole numbers in this range are dates written YYYYMMDD
_FIRST_DAY = date(1970, 1, 1).toordinal()
_EPOCH = re.compile(r"([+-]?\d{1,19})(?:\.(\d*))?", re.ASCII)
_ISO = re.compile(
    r"(\d{4})[-/.]?(\d\d)[-/.]?(\d\d)"
    r"(?:[Tt ] *([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d)(?:[.,](\d{1,9}))?)?)?"
    r" *(?:([Zz])|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?)?",
    re.ASCII,
)


def parse_time(text: str) -> tuple[int, bool] | None:
    """Nanoseconds, and whether they are local because the text names no offset; None where it is not a time."""
    text = text.strip()
    if text[4:5] != "-" and (epoch := _EPOCH.fullmatch(text)) is not None:  # with a date, most texts are that already
        whole, part = int(epoch[1]), int((epoch[2] or "")[:9].ljust(9, "0"))
        if part or not _DATES[0] <= whole <= _DATES[1]:
            return _scale(whole, part)
        text = str(whole)
    iso = _ISO.fullmatch(text)
    if iso is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = iso.groups()
    if not FIRST_YEAR <= int(year) <= LAST_YEAR:
        return None
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _FIRST_DAY
    except ValueError:
        return None
    seconds = 3600 * int(hour or 0) + 60 * int(minute or 0) + int(second or 0)
    if sign is not None:
        seconds -= (-1 if sign == "-" else 1) * (3600 * int(hours) + 60 * int(minutes or 0))
    ns = days * DAY_NS + seconds * SECOND_NS
    return ns + int(fraction.ljust(9, "0")) if fraction else ns, utc is None and sign is None


def epoch_number(value: float) -> tuple[int, bool] | None:
    """A JSON number as a time; a float is good to the microsecond, as far as seconds since the epoch go."""
    if isinstance(value, int):
        return parse_time(str(value))
    return parse_time(f"{value:.6f}") if abs(value) < 1e19 else None


def _scale(whole: int, part: int) -> tuple[int, bool] | None:
    unit = next((u for bound, u in _UNITS if abs(whole) < bound), 1)
    ns = whole * unit + (-1 if whole < 0 else 1) * (part * unit // SECOND_NS)
    return (ns, False) if abs(whole) * unit <= LIMIT_NS else None
