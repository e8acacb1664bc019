"""Ticks as rows of a Parquet file, and back."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import DTYPES, TickBatch
from tapewatch.model.times import DAY_NS

_POLARS = {"i1": pl.Int8, "i4": pl.Int32, "i8": pl.Int64, "f8": pl.Float64}
NUMBERS = tuple(name for name in DTYPES if name != "symbol_id")
SCHEMA = pl.Schema({"symbol": pl.String} | {n: _POLARS[DTYPES[n]] for n in NUMBERS} | {"fate": pl.Int8})

Partition = tuple[str, int]  # venue, days since the epoch of the event time in UTC


def to_frame(ticks: TickBatch, fates: NDArray[np.int8]) -> pl.DataFrame:
    """One row a tick in the order given, with the venue as a column in front."""
    return _frame(ticks.symbols, ticks.columns() | {"fate": fates}).select("venue", *SCHEMA.names())


def partitions(ticks: TickBatch, fates: NDArray[np.int8]) -> Iterator[tuple[Partition, pl.DataFrame]]:
    """The rows of each venue and day, sorted by symbol and then by offset.

    Sorted by symbol, a row group holds few symbols, so that its statistics let a reader skip it. O(n), because tape
    order is offset order already and the sort by symbol is a stable one of small integers.
    """
    ranked = sorted(range(len(ticks.symbols)), key=lambda i: ticks.symbols[i])
    symbols = tuple(ticks.symbols[i] for i in ranked)
    rank = np.empty(len(ranked), np.uint16 if len(ranked) <= 0xFFFF else np.uint32)  # 16 bits: NumPy's radix sort
    rank[ranked] = np.arange(len(ranked))
    ids = rank[ticks.symbol_id]
    order = np.argsort(ids, kind="stable")
    columns = {name: column[order] for name, column in (ticks.columns() | {"symbol_id": ids, "fate": fates}).items()}
    frame = _frame(symbols, columns)
    days = columns["ts_event_ns"] // DAY_NS
    venues = [symbol.venue for symbol in symbols]
    for venue in dict.fromkeys(venues):
        first, last = venues.index(venue), len(venues) - 1 - venues[::-1].index(venue)
        low, high = np.searchsorted(columns["symbol_id"], (first, last + 1))
        rows, its_days = frame.slice(low, high - low).select(SCHEMA.names()), days[low:high]
        present = np.unique(its_days).tolist()
        if len(present) == 1:
            yield (venue, present[0]), rows
        else:
            for day in present:
                yield (venue, day), rows.filter(pl.Series(its_days == day))


def from_frame(frame: pl.DataFrame) -> TickBatch:
    """The batch of a frame that `to_frame` could have made, in its order."""
    table = frame.select("venue", "symbol").unique(maintain_order=True).with_row_index("symbol_id")
    ids = frame.select("venue", "symbol").join(table, on=["venue", "symbol"], how="left", maintain_order="left")
    columns = {name: np.ascontiguousarray(frame[name].to_numpy()) for name in NUMBERS}
    symbols = tuple(Instrument(venue, symbol) for venue, symbol in table.select("venue", "symbol").iter_rows())
    return TickBatch(symbols, symbol_id=ids["symbol_id"].to_numpy().astype(np.int32), **columns)


def _frame(symbols: tuple[Instrument, ...], columns: dict[str, NDArray[np.generic]]) -> pl.DataFrame:
    index = pl.Series(columns["symbol_id"]).cast(pl.UInt32)
    venues = pl.Series("venue", [s.venue for s in symbols], pl.String)
    names = pl.Series("symbol", [s.symbol for s in symbols], pl.String)
    numbers = [pl.Series(name, columns[name]) for name in (*NUMBERS, "fate")]
    return pl.DataFrame([venues.gather(index), names.gather(index), *numbers])
