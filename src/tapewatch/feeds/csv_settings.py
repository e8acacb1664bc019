"""What a user may say about CSV files that the files do not say themselves."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tapewatch.feeds.csv_times import DateOrder
from tapewatch.model.errors import InputError

FIELDS = (
    "time",
    "symbol",
    "venue",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "price",
    "amount",
    "side",
    "buyer_is_maker",
    "trade_id",
)
"""What a column can mean, and what the left side of a mapping may be."""

LONGEST_NAME = 64
"""Characters of a symbol or venue, at most."""


@dataclass(frozen=True, slots=True)
class CsvSettings:
    """Settings of a CSV feed; everything is optional.

    `symbol` names the instrument of files that have no symbol column. `venue` is that of files without a venue column.
    `zone` is where times without an offset were written down (default: the venue's zone). `mapping` leads from a field
    of `FIELDS` to the column that holds it, by its name in the header. `interval_ns` is the length of a bar (default:
    the smallest step of one symbol at the head of each file, else a minute). `dates` says what comes first in dates
    such as 04/07/2025 (default: told by the head of each file, refused where it does not tell). Raises InputError for
    an unknown field, a name that cannot be one, and an interval that is not positive.
    """

    symbol: str | None = None
    venue: str | None = None
    zone: str | None = None
    mapping: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    interval_ns: int | None = None
    dates: DateOrder | None = None

    def __post_init__(self) -> None:
        for name in self.mapping:
            if name not in FIELDS:
                raise InputError(f"mapping: {_unknown(name)}; the fields are {', '.join(FIELDS)}")
        for name, value in (("symbol", self.symbol), ("venue", self.venue)):
            if value is not None and not (value.strip() and value.isprintable() and len(value) <= LONGEST_NAME):
                raise InputError(f"{name}: {value!r} is not a name of 1 to {LONGEST_NAME} printable characters")
        if self.interval_ns is not None and self.interval_ns <= 0:
            raise InputError(f"interval_ns: {self.interval_ns} is not the length of a bar")

    def canonical(self) -> str:
        """Everything that changes what is read, as text: a part of a feed's identity."""
        mapping = sorted(self.mapping.items())
        given = (self.symbol, self.venue, self.zone, mapping, self.interval_ns)
        return repr(given if self.dates is None else (*given, self.dates))


def parse_mapping(text: str) -> dict[str, str]:
    """Read `field=column,field=column` of the command line; InputError where it is not that.

    >>> parse_mapping("time=When,close=Last price")
    {'time': 'When', 'close': 'Last price'}
    """
    mapping: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, column = (p.strip() for p in part.partition("="))
        if not equals or not column:
            raise InputError(f"mapping: {part!r} is not field=column, e.g. time=Date,close=Last")
        if name not in FIELDS:
            raise InputError(f"mapping: {_unknown(name)}; the fields are {', '.join(FIELDS)}")
        if name in mapping:
            raise InputError(f"mapping: {name} is given twice")
        mapping[name] = column
    return mapping


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, FIELDS, 1)
    return f"{name!r} is not a field" + (f" (did you mean {near[0]!r}?)" if near else "")
