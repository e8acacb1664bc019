"""The layout of one CSV file, learnt from its head: delimiter, header, what each column means, how time is written."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import PurePath

from tapewatch.feeds.csv_blocks import STDIN, STDIN_NAME
from tapewatch.feeds.csv_names import BINANCE_KLINES, find_fields, headerless_names, is_header, split_date
from tapewatch.feeds.csv_numbers import Marks, learn_marks
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.feeds.csv_symbols import Shape, symbol_from_file
from tapewatch.feeds.csv_times import DateOrder, date_order, has_year_last
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import Kind

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 20
_PRICES = ("open", "high", "low", "close", "price")
_TITLES = 10  # lines above a header, at most
_NAIVE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)?")
_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?(?:Z|[+-]\d\d(?::?\d\d)?)")


class TimeStyle(Enum):
    """How the first rows write time: what the fast reader tries. Rows that differ are read one style at a time."""

    EPOCH = "epoch"
    NAIVE = "naive"
    OFFSET = "offset"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the rows of one file."""

    file: str  # as errors and dead letters name it
    delimiter: str
    skip_lines: int  # up to and including the header
    width: int  # columns of a row
    fields: dict[str, int]  # field -> index of its column
    clock_column: int | None  # time of day, where the date stands in a column of its own
    time_style: TimeStyle
    numeric_ids: bool
    dates: DateOrder | None  # of dates with the year at their end
    marks: Marks
    kind: Kind
    interval_ns: int
    symbol: str | None  # of files without a symbol column
    venue: str | None  # of files without a venue column; None: the default by symbol

    def with_interval(self, interval_ns: int) -> "Layout":
        """The same with bars of that length; trades have none."""
        return self if self.kind is Kind.TRADE else replace(self, interval_ns=interval_ns)


def learn_layout(path: str, head: bytes, settings: CsvSettings) -> Layout:
    """Learn the layout from whole lines at the head of a file. Raises InputError where it is not market data."""
    file = STDIN_NAME if path == STDIN else path
    # Cut as rows are, at newlines alone; a stray carriage return within one is its row's fault, and found there.
    lines = [line.rstrip("\r").replace("\r", " ") for line in head.decode("utf-8", "replace").split("\n")]
    at, delimiter, first = _top(lines, settings.mapping)
    ticker, first, more = _three_rows(lines[at + 1 : at + 3], delimiter, first)
    at += more
    names = headerless_names(first) if not is_header(first) else None
    if names is None and not is_header(first):
        shown = ", ".join(repr(c.strip()[:20]) for c in first[:8])
        raise InputError(
            f"{file}: its first line holds values ({shown}) where a header is looked for; only Binance's dumps of "
            f"klines ({len(BINANCE_KLINES)} columns) and trades are read without one"
        )
    header, skip = (first, at + 1) if names is None else (list(names), at)
    fields = find_fields(header, settings.mapping, file)
    if "close" not in fields and fields.keys() & {"open", "high", "low"}:  # Price,Open,High,Low: what it closed at
        fields["close"] = fields.pop("price")
    sample = [_cells(line, delimiter) for line in lines[skip : skip + _SAMPLE_ROWS] if line.strip()]
    split = split_date(header, fields) if "time" not in settings.mapping else None
    if split is not None:
        fields["time"] = split[0]
    trades = "close" not in fields
    shape: Shape = "trades" if trades else "klines" if _is_klines(header) else "bars"
    return Layout(
        file=file,
        delimiter=delimiter,
        skip_lines=skip,
        width=len(header),
        fields=_used(fields, trades),
        clock_column=None if split is None else split[1],
        time_style=_time_style(sample, fields["time"]) if split is None else TimeStyle.OTHER,
        dates=_dates(file, settings, sample, lines[skip:], delimiter, fields["time"]),
        marks=learn_marks([c for f in _PRICES for c in _column(sample, fields.get(f))], delimiter),
        numeric_ids=all(c.strip().isdigit() for c in _column(sample, fields.get("trade_id"))),
        kind=Kind.TRADE if trades else Kind.BAR,
        interval_ns=0,
        symbol=None if "symbol" in fields else settings.symbol or ticker or _symbol(path, file, shape, settings),
        venue=settings.venue or ("binance" if shape == "klines" or names is not None else None),
    )


def _top(lines: Sequence[str], mapping: Mapping[str, str]) -> tuple[int, str, list[str]]:
    """The line that the table begins with, counting from 0, its delimiter and cells: the first line that is not blank,
    or below a title of at most `_TITLES` lines the first one that names columns of market data."""
    tops = [i for i, line in enumerate(lines) if line.strip()]
    found = [_split_line(i, lines[i]) for i in tops[: _TITLES + 1]]
    return next((top for top in found if _begins(top[2], mapping)), found[0])


def _three_rows(below: Sequence[str], delimiter: str, first: list[str]) -> tuple[str | None, list[str], int]:
    """The header that pandas makes of yfinance's table of one symbol (`Price,Close,...`, `Ticker,TSLA,...`,
    `Datetime,,...`) as symbol, header and how many lines more it takes; else (None, `first`, 0)."""
    rows = [_cells(line, delimiter) for line in below]
    starts = [row[0].strip() if row else "" for row in rows]
    if first[0].strip() != "Price" or starts not in (["Ticker", "Datetime"], ["Ticker", "Date"]):
        return None, first, 0
    tickers = {cell.strip() for cell in rows[0][1:]}
    return (tickers.pop(), [starts[1], *first[1:]], 2) if len(tickers) == 1 else (None, first, 0)


def _split_line(at: int, line: str) -> tuple[int, str, list[str]]:
    delimiter = max(_DELIMITERS, key=lambda d: (line.count(d), -_DELIMITERS.index(d)))
    return at, delimiter, _cells(line, delimiter)


def _begins(cells: Sequence[str], mapping: Mapping[str, str]) -> bool:
    try:
        return headerless_names(cells) is not None or (is_header(cells) and bool(find_fields(cells, mapping, "")))
    except InputError:
        return False


def _used(fields: dict[str, int], trades: bool) -> dict[str, int]:
    """Trades have one price, and their size is called amount; bars have a volume and no side."""
    used = {f: i for f, i in fields.items() if f in ("time", "symbol", "venue")}
    if trades:
        used["close"] = fields["price"]
        used |= {f: fields[f] for f in ("side", "buyer_is_maker", "trade_id") if f in fields}
        size = fields.get("amount", fields.get("volume"))
    else:
        used |= {f: fields[f] for f in ("open", "high", "low", "close") if f in fields}
        size = fields.get("volume", fields.get("amount"))
    return used if size is None else used | {"volume": size}


def _is_klines(header: Sequence[str]) -> bool:
    names = [h.strip().lower().replace(" ", "_") for h in header]
    return names[:6] == list(BINANCE_KLINES[:6]) and "close_time" in names


def _symbol(path: str, file: str, shape: Shape, settings: CsvSettings) -> str:
    if settings.symbol is not None:
        return settings.symbol
    symbol = None if path == STDIN else symbol_from_file(PurePath(path).name, shape)
    if symbol is None:
        raise InputError(f"{file}: no symbol column, and no symbol in the file's name; give one, e.g. --symbol TSLA")
    return symbol


def _time_style(sample: Sequence[Sequence[str]], index: int) -> TimeStyle:
    values = [v.strip() for v in _column(sample, index)]
    for style, pattern in ((TimeStyle.NAIVE, _NAIVE), (TimeStyle.OFFSET, _OFFSET)):
        if values and all(pattern.fullmatch(v) for v in values):
            return style
    return TimeStyle.EPOCH if values and all(v.isdigit() for v in values) else TimeStyle.OTHER


def _dates(
    file: str, settings: CsvSettings, sample: Sequence[Sequence[str]], lines: Sequence[str], delimiter: str, index: int
) -> DateOrder | None:
    """What comes first in dates with the year at their end, told by the whole head where its first rows have such;
    InputError where neither it nor the settings tell."""
    example = next((c.strip() for c in _column(sample, index) if has_year_last(c.strip())), None)
    if example is None or settings.dates is not None:
        return settings.dates
    head = (_cells(line, delimiter) for line in lines if line.strip())
    order = date_order(row[index].strip() for row in head if len(row) > index)
    if order is None:
        raise InputError(
            f"{file}: {example!r} could begin with the day or with the month, and the head of the file does not tell; "
            "say which: --dates dmy or --dates mdy, in the settings feed.dates"
        )
    return order


def _column(sample: Sequence[Sequence[str]], index: int | None) -> list[str]:
    return [] if index is None else [row[index] for row in sample if len(row) > index]


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])
