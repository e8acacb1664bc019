"""Time: int64 nanoseconds UTC inside, RFC 3339 outside."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tapewatch.model.errors import InputError

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
LONGEST_INTERVAL_NS = 400 * DAY_NS
"""Of a bar that a feed may tell."""
LIMIT_NS = 2**63 - 1 - LONGEST_INTERVAL_NS - 3 * DAY_NS
"""Times of feeds end here (in 2261): an interval is added to them, and an offset from UTC taken off."""
FIRST_YEAR, LAST_YEAR = 1680, 2260
"""Of the dates that feeds may write: the whole years within."""

_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt ](?P<time>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d{1,9}))?"
    r"(?P<zone>[Zz]|[+-]\d{2}:\d{2})"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def format_rfc3339(ts_ns: int) -> str:
    """Write nanoseconds since the epoch as RFC 3339 in UTC, with as many decimals as needed (0, 3, 6 or 9).

    >>> format_rfc3339(1_744_034_400_000_000_000)
    '2025-04-07T14:00:00Z'
    >>> format_rfc3339(1_744_034_400_250_000_000)
    '2025-04-07T14:00:00.250Z'
    """
    seconds, nanos = divmod(ts_ns, SECOND_NS)
    text = datetime.fromtimestamp(seconds, tz=UTC).isoformat()[:19]  # strftime takes several times as long
    if nanos == 0:
        return text + "Z"
    for digits, unit in ((3, 1_000_000), (6, 1_000), (9, 1)):
        if nanos % unit == 0:
            return f"{text}.{nanos // unit:0{digits}d}Z"
    raise AssertionError("unreachable: every integer is divisible by 1")


def parse_rfc3339(text: str) -> int:
    """Read RFC 3339 (a zone is required) to nanoseconds since the epoch, exactly.

    >>> parse_rfc3339("2025-04-07T10:00:00-04:00")
    1744034400000000000
    """
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{text!r} is not an RFC 3339 time, e.g. 2025-04-07T14:00:00Z")
    zone = match["zone"].upper().replace("Z", "+00:00")
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{match['time']}{zone}")
    except ValueError as error:
        raise InputError(f"{text!r} is not a valid time: {error}") from None
    nanos = int((match["fraction"] or "").ljust(9, "0"))
    return datetime_to_ns(moment) + nanos


def parse_moment(text: str) -> int:
    """Read what people write on a command line: RFC 3339, or a date, which is its beginning in UTC.

    >>> parse_moment("2025-04-07") == parse_moment("2025-04-07T00:00:00Z")
    True
    """
    return parse_rfc3339(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)


def datetime_to_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch of an aware datetime, without passing through a float."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND_NS + delta.microseconds * 1_000


def format_local(ts_ns: int, zone: str) -> str:
    """Write a time in a venue's zone, to the second, with its offset.

    >>> format_local(1_744_034_400_000_000_000, "America/New_York")
    '2025-04-07 10:00:00-04:00'
    """
    moment = datetime.fromtimestamp(ts_ns // SECOND_NS, tz=ZoneInfo(zone))
    return moment.isoformat(sep=" ")
