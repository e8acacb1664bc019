"""Which column is what: names that files in the wild use, and dumps that have no header at all."""

import re
from collections.abc import Mapping, Sequence

from tapewatch.model.errors import InputError

SYNONYMS: dict[str, tuple[str, ...]] = {
    "time": (
        *("timestamp", "open_time", "opentime", "ts_event", "event_time", "trade_time", "transact_time"),
        *("datetime", "date_time", "time", "ts", "date", "t", "unix", "unix_time", "unix_timestamp", "epoch"),
        *("timestamp_s", "timestamp_ms", "timestamp_us", "timestamp_ns", "time_ms", "time_ns", "ts_event_ns", "ts_ns"),
        *("local_time", "bar_time", "start", "start_time", "window_start"),
    ),
    "symbol": ("symbol", "ticker", "sym", "instrument", "pair", "market", "code", "s"),
    "venue": ("venue", "exchange", "mic"),
    "open": ("open", "open_price", "o"),
    "high": ("high", "high_price", "h"),
    "low": ("low", "low_price", "l"),
    "close": ("close", "close_price", "closing_price", "c"),
    "volume": ("volume", "vol", "base_volume", "v"),
    "price": ("price", "trade_price", "last_price", "px", "p"),
    "amount": ("amount", "size", "qty", "quantity", "trade_size", "last_size", "base_amount", "q"),
    "side": ("side", "taker_side", "aggressor_side", "aggressor"),
    "buyer_is_maker": ("is_buyer_maker", "isbuyermaker", "buyer_is_maker", "buyer_maker"),
    "trade_id": ("trade_id", "tradeid", "tid", "agg_trade_id", "aggtradeid", "id"),
}
"""Field -> normalised column names, the most telling first. Matching ignores case, spaces and punctuation."""

BINANCE_KLINES = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time"),
    *("quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
BINANCE_TRADES = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
BINANCE_AGG_TRADES = ("agg_trade_id", "price", "qty", "first_id", "last_id", "time", "is_buyer_maker")
_BOOLEANS = frozenset({"true", "false"})


def normalise(name: str) -> str:
    """Lower case, with one underscore for each run of anything but letters and digits.

    >>> normalise(" Adj Close "), normalise("Open-Time")
    ('adj_close', 'open_time')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def is_header(cells: Sequence[str]) -> bool:
    """Whether a file's first line names columns: no cell of it is a number."""
    return not any(_is_number(c) for c in cells)


def headerless_names(cells: Sequence[str]) -> tuple[str, ...] | None:
    """The column names of a known dump that comes without a header (Binance's), told by its first row."""
    values = [c.strip() for c in cells]
    if len(values) == len(BINANCE_KLINES) and _is_epoch(values[0]) and all(map(_is_number, values)):
        return BINANCE_KLINES
    for names in (BINANCE_AGG_TRADES, BINANCE_TRADES):
        extra = len(values) - len(names)  # newer dumps add is_best_match
        flag = names.index("is_buyer_maker")
        if extra in (0, 1) and values[flag].lower() in _BOOLEANS and _is_epoch(values[names.index("time")]):
            return (*names, "is_best_match")[: len(values)]
    return None


def find_fields(header: Sequence[str], mapping: Mapping[str, str], file: str) -> dict[str, int]:
    """Field -> index of its column. Raises InputError, naming what was found and looked for, where a file has no time
    or no price, and where the mapping names a column that is not there."""
    names = [normalise(h) for h in header]
    found: dict[str, int] = {}
    for field, column in mapping.items():
        if normalise(column) not in names:
            raise InputError(f"{file}: no column {column!r} (mapped to {field}); found {_listing(header)}")
        found[field] = names.index(normalise(column))
    taken = set(found.values())
    for field, synonyms in SYNONYMS.items():
        index = next((names.index(s) for s in synonyms if s in names and names.index(s) not in taken), None)
        if field not in found and index is not None:
            found[field] = index
            taken.add(index)
    missing = [f for f in ("time",) if f not in found]
    if "close" not in found and "price" not in found:
        missing.append("close or price")
    if missing:
        looked = "; ".join(f"{f}: {', '.join(SYNONYMS[f][:6])}" for f in ("time", "close", "price"))
        raise InputError(
            f"{file}: not market data: no column for {' and '.join(missing)}. Found {_listing(header)}. "
            f"Looked for {looked}, ... A mapping, --map time=COLUMN,close=COLUMN or feed.mapping, says which is which."
        )
    return found


def split_date(header: Sequence[str], fields: Mapping[str, int]) -> tuple[int, int] | None:
    """Columns of the date and of the time of day, where they are two (`Date,Time,...`) and no other has the time."""
    names = [normalise(h) for h in header]
    if names[fields["time"]] in ("date", "time") and "date" in names and "time" in names:
        return names.index("date"), names.index("time")
    return None


def _listing(header: Sequence[str]) -> str:
    shown = ", ".join(repr(h.strip()[:40]) for h in header[:20])
    return shown + (f" and {len(header) - 20} more" if len(header) > 20 else "")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().lower() not in {"nan", "inf", "infinity"}


def _is_epoch(text: str) -> bool:
    return text.isdigit() and len(text) >= 12
