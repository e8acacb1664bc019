"""Request parameters: what each may look like, as a type that validates, documents itself and gives our own units."""

import re
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from msgspec.structs import replace
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from tapewatch.model.alerts import Category, Severity, State
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import upper_symbol
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, parse_rfc3339
from tapewatch.stores.port import AlertQuery
from tapewatch.web.api.cursors import decode_cursor, filters_digest

MAX_PAGE = 1_000
DEFAULT_PAGE = 100
EARLIEST_NS, LATEST_NS = -(1 << 62), (1 << 63) - 1  # 1823 to 2262: int64, with room below for an interval
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_BARE_OFFSET = re.compile(r"(?<=[0-9]) (?=\d{2}:\d{2}$)")
_INTERVAL = r"^([1-9][0-9]{0,5}(ms|s|m)|[1-9][0-9]{0,3}h|[1-9][0-9]{0,2}d)$"
_UNITS_NS = {"ms": 1_000_000, "s": SECOND_NS, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS}

TIME_SCHEMA: dict[str, Any] = {  # Any: JSON Schema
    "type": "string",
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}],
}


def parse_time(text: object) -> int:
    """Nanoseconds of an RFC 3339 time, or of midnight UTC of a date.

    A `+` that was sent without being percent-encoded arrives as a space; before an offset it can mean nothing else.
    """
    if not isinstance(text, str):
        raise ValueError("a time or a date")
    if _DATE.fullmatch(text):
        text += "T00:00:00Z"
    elif "T" in text.upper():
        text = _BARE_OFFSET.sub("+", text)
    try:
        return parse_rfc3339(text)
    except InputError:
        raise ValueError("must be RFC 3339 with a zone (2025-04-07T14:00:00Z) or a date (2025-04-07)") from None


def parse_interval(text: object) -> int:
    """Nanoseconds of an interval such as 30s, 5m, 1h, 1d.

    >>> parse_interval("5m")
    300000000000
    """
    if not isinstance(text, str) or re.fullmatch(_INTERVAL, text) is None:
        raise ValueError("must be a number with ms, s, m, h or d, e.g. 30s, 5m, 1h; at most 999d")
    unit = text.lstrip("0123456789")
    return int(text.removesuffix(unit)) * _UNITS_NS[unit]


def format_interval(interval_ns: int) -> str:
    """The interval in its largest whole unit.

    >>> format_interval(5400_000_000_000), format_interval(86_400_000_000_000)
    ('90m', '1d')
    """
    unit = next(unit for unit in reversed(_UNITS_NS) if interval_ns % _UNITS_NS[unit] == 0)
    return f"{interval_ns // _UNITS_NS[unit]}{unit}"


Time = Annotated[int, BeforeValidator(parse_time), WithJsonSchema(TIME_SCHEMA)]
Interval = Annotated[int, BeforeValidator(parse_interval), WithJsonSchema({"type": "string", "pattern": _INTERVAL})]

FromTime = Annotated[Time | None, Query(alias="from", description="Onset at or after this time or date (UTC).")]
ToTime = Annotated[Time | None, Query(alias="to", description="Onset before this time, or before this date begins.")]
_NAME = r"^[A-Za-z0-9._:-]{1,64}$"
# controls and the blank spelt out: what \s means differs from one regex engine to the next
_SYMBOL = r"^[^\x00-\x20\x7f-\x9f]{1,64}$"
_ID = r"^[0-9a-f]{32}$"
Venue = Annotated[str | None, Query(pattern=_NAME, description="`XNAS`, `binance`, ...")]
_Symbol = Annotated[str, Field(pattern=_SYMBOL), AfterValidator(upper_symbol)]
SymbolFilter = Annotated[_Symbol | None, Query(description="`TSLA`, `BTC/USDT`, ...; in any case.")]
SymbolPath = Annotated[_Symbol, Path(description="`TSLA`, or `BTC/USDT` with its slash plain or as %2F; in any case.")]
AlertId = Annotated[str, Path(pattern=_ID)]
IncidentId = Annotated[str, Path(pattern=_ID)]
TaskId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Severities = Annotated[list[Severity] | None, Query(max_length=4, description="May be repeated.")]
Rules = Annotated[
    list[Annotated[str, Query(pattern=_NAME)]] | None,
    Query(alias="rule", max_length=50, description="May be repeated."),
]
Types = Annotated[
    list[Annotated[str, Query(pattern=_NAME)]] | None,
    Query(alias="type", max_length=20, description="`rise`, `drop`, `stale_feed`, `bad_print`, ...; may be repeated."),
]
States = Annotated[list[State] | None, Query(max_length=4, description="May be repeated.")]
IncidentStates = Annotated[
    list[Literal["open", "resolved", "retracted"]] | None, Query(alias="state", max_length=3, description="Repeatable.")
]
Categories = Annotated[list[Category] | None, Query(max_length=3, description="May be repeated.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items a page.")]
Cursor = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9_-]{1,400}$", description="From `next` of the page before. Opaque; do not make one up."),
]
Order = Annotated[Literal["newest", "oldest"], Query(description="By onset, then id.")]


def check_range(from_ns: int | None, to_ns: int | None) -> None:
    """Raise InputError unless both times can be kept (years 1824 to 2261) and `from` lies before `to`."""
    for name, value in (("from", from_ns), ("to", to_ns)):
        if value is not None and not EARLIEST_NS <= value <= LATEST_NS:
            raise InputError(f"{name}: only times from 1824 to 2261 can be kept")
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise InputError("from: must lie before to (to itself is not included)")


def query_digest(query: AlertQuery) -> str:
    """Tells the lists apart that a cursor may belong to: every filter and the order, not the page's size."""
    fields = {name: getattr(query, name) for name in query.__struct_fields__ if name not in {"after", "limit"}}
    return filters_digest(sorted(fields.items()))


def with_cursor(query: AlertQuery, cursor: str | None) -> AlertQuery:
    """The query going on where `cursor` says; InputError where the cursor is not of this list."""
    return query if cursor is None else replace(query, after=decode_cursor(cursor, query_digest(query)))
