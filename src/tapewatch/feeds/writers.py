"""Ticks and labels as text: CSV with a header, or one JSON object a line, as every tapewatch feed reads them."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO, Literal, get_args

import msgspec
import polars as pl

from tapewatch.alerts.labels import Label
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import Column, Kind, TickBatch
from tapewatch.model.times import format_rfc3339

if TYPE_CHECKING:  # the simulator imports this file
    from tapewatch.feeds.simulator.planning import Split

TextFormat = Literal["csv", "jsonl"]
FORMATS: tuple[TextFormat, ...] = get_args(TextFormat)

_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"
_CSV_ORDER = ("timestamp", "venue", "symbol")
_JSON_ORDER = ("symbol", "venue", "timestamp")
_BAR = ("open", "high", "low", "close", "volume")


def tick_frame(ticks: TickBatch, trade_ids: Column | None = None) -> pl.DataFrame:
    """The bars or trades of a batch as a table of text and numbers; heartbeats are left out, as readers make their own.

    Bars: timestamp, venue, symbol, open, high, low, close, volume. Trades: timestamp, venue, symbol, price, size, side,
    trade_id (null where `trade_ids`, one number a record, is not given). Raises InputError where the batch has both.
    Cost: about 0.5 us a record.
    """
    kinds = ticks.kind[ticks.kind != Kind.HEARTBEAT]
    if kinds.size and kinds.min() != kinds.max():
        raise InputError("bars and trades cannot stand in one file; write them to two")
    is_trade = bool(kinds.size and kinds[0] == Kind.TRADE)
    keep = ticks.kind != Kind.HEARTBEAT
    names = pl.Series([i.symbol for i in ticks.symbols], dtype=pl.String)
    venues = pl.Series([i.venue for i in ticks.symbols], dtype=pl.String)
    rows = pl.Series(ticks.symbol_id[keep])
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(ticks.ts_event_ns[keep]).cast(pl.Datetime("ns")).dt.strftime(_TIME),
            "venue": venues.gather(rows),
            "symbol": names.gather(rows),
        }
    )
    if not is_trade:
        return frame.with_columns(pl.Series(n, getattr(ticks, n)[keep]).fill_nan(None) for n in _BAR)
    return frame.with_columns(
        pl.Series("price", ticks.close[keep]),
        pl.Series("size", ticks.volume[keep]).fill_nan(None),
        pl.Series("side", ticks.side[keep]).replace_strict({1: "buy", -1: "sell", 0: None}, return_dtype=pl.String),
        pl.Series("trade_id", [None] * len(frame) if trade_ids is None else trade_ids[keep], dtype=pl.Int64),
    )


def write_ticks(
    frames: Iterable[pl.DataFrame],
    out: BinaryIO,
    text_format: TextFormat = "csv",
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write tables made by `tick_frame` one after the other; returns the number of records.

    `progress` is called with the records written so far. What is unknown is an empty cell in CSV, `null` in JSON.
    Floats are the shortest text that reads back as the same number.
    """
    total = 0
    for frame in frames:
        if text_format == "csv":
            columns = [*_CSV_ORDER, *(c for c in frame.columns if c not in _CSV_ORDER)]
            frame.select(columns).write_csv(out, include_header=total == 0)
        else:
            columns = [*_JSON_ORDER, *(c for c in frame.columns if c not in _JSON_ORDER)]
            frame.select(columns).write_ndjson(out)
        total += len(frame)
        if progress is not None:
            progress(total)
    return total


def write_labels(labels: Iterable[Label], out: BinaryIO) -> None:
    """Write labels as CSV: the fields of `Label`, times as RFC 3339."""
    rows = [msgspec.structs.asdict(label) for label in labels]
    schema: dict[str, type[pl.DataType]] = {
        name: {int: pl.Int64, float: pl.Float64, bool: pl.Boolean}.get(kind, pl.String)
        for name, kind in ((f.name, f.type) for f in msgspec.structs.fields(Label))
    }
    for row in rows:
        row["onset_ns"], row["end_ns"] = format_rfc3339(row["onset_ns"]), format_rfc3339(row["end_ns"])
    schema["onset_ns"] = schema["end_ns"] = pl.String
    frame = pl.DataFrame(rows, schema=schema).rename({"onset_ns": "onset", "end_ns": "end"})
    frame.write_csv(out)


def write_instruments(splits: "Iterable[Split]", out: BinaryIO) -> None:
    """Write announced splits as TOML, for the setting `rules.instruments`: a table for each instrument that has any."""
    found: dict[tuple[str, str], list[Split]] = {}
    for split in splits:
        found.setdefault((split.venue, split.symbol), []).append(split)
    for (venue, symbol), announced in found.items():
        listed = ", ".join(f'{{ at = "{format_rfc3339(s.ts_ns)}", ratio = {s.ratio!r} }}' for s in announced)
        out.write(f'[[instruments]]\nsymbol = "{symbol}"\nvenue = "{venue}"\nsplits = [{listed}]\n\n'.encode())
