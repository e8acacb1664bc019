"""From blocks of CSV to columns: a fast reading for blocks without a fault, a strict one for the others."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tapewatch.feeds.csv_blocks import Block, count_lines
from tapewatch.feeds.csv_cells import NOT_UTF_8, Cells, read_cells
from tapewatch.feeds.csv_instruments import InstrumentTable
from tapewatch.feeds.csv_layout import Layout, TimeStyle
from tapewatch.feeds.csv_numbers import read_numbers
from tapewatch.feeds.csv_times import epoch_to_ns, read_times
from tapewatch.feeds.folds import FoldTracker
from tapewatch.feeds.heartbeats import NO_TIME
from tapewatch.model.numbers import reckonable
from tapewatch.model.ticks import Column, Kind
from tapewatch.model.times import HOUR_NS
from tapewatch.model.trade_ids import hash_trade_ids, hash_trade_numbers
from tapewatch.model.zones import read_local

N = TypeVar("N", np.int32, np.int64, np.float64)

_PRICES = ("open", "high", "low", "close")
_SIDES = {"buy": 1, "b": 1, "bid": 1, "buyer": 1, "1": 1, "sell": -1, "s": -1, "ask": -1, "seller": -1, "-1": -1}
_TAKER_SOLD = {"true": -1, "t": -1, "1": -1, "false": 1, "f": 1, "0": 1}
_RAW_CHARS = 1000
TWO_READINGS = "may have a decimal comma or its thousands apart, and the head of the file does not tell"
_NUMERIC_ID_LIMIT = 10**18
_ARROW_TIMES = {
    TimeStyle.EPOCH: pa.int64(),
    TimeStyle.NAIVE: pa.timestamp("ns"),
    TimeStyle.OFFSET: pa.timestamp("ns", tz="UTC"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that could not be read: its place among the rows of its chunk, its line in the file."""

    row: int
    line: int
    source: str
    reason: str
    raw: str


@dataclass(frozen=True, slots=True)
class Rows:
    """n rows of one file in its order. `columns` has all of a batch's but `offset`; where a row is faulty its values
    mean nothing and its `acting_ns` is `NO_TIME`."""

    columns: dict[str, Column]
    acting_ns: NDArray[np.int64]
    faults: tuple[Fault, ...]


@dataclass(slots=True)
class _Raw:
    """Values of a block before the zone is applied. `naive`: which times are local; True or False for all of them."""

    values: dict[str, Column]  # prices present, volume, side, trade_id_hash
    time_ns: NDArray[np.int64]
    naive: NDArray[np.bool_] | bool
    symbol_id: NDArray[np.int32]
    cells: Cells | None  # only after the strict reading


class RowReader:
    """Reads one file's blocks in order; it follows the ambiguous hour, so every block must pass through it."""

    def __init__(self, layout: Layout, instruments: InstrumentTable) -> None:
        self._layout = layout
        self._instruments = instruments
        self._folds: dict[str, FoldTracker] = {}

    def read(self, block: Block) -> Rows:
        """Every line that is not blank, as a row or a fault. About 5 million rows a second where nothing is unusual, a
        tenth of it where something is."""
        data, first_line = block.data, block.first_line
        if first_line == 1 and self._layout.skip_lines:
            data = data.split(b"\n", self._layout.skip_lines)[-1]
            first_line += self._layout.skip_lines
        raw = self._fast(data) or self._strict(data)
        return self._finish(raw, data, first_line)

    def _fast(self, data: bytes) -> _Raw | None:
        """None where anything is unusual: a quote, a blank line, another width, text, a null, an odd time."""
        layout = self._layout
        if layout.time_style is TimeStyle.OTHER or b'"' in data:
            return None
        table = _typed_table(data, layout)
        if table is None or table.num_rows != count_lines(data):
            return None
        columns = {f: table.column(n).combine_chunks() for n, f in enumerate(layout.fields)}
        if any(c.null_count for c in columns.values()):
            return None
        time_ns = _numpy(columns["time"], np.int64)
        if layout.time_style is TimeStyle.EPOCH:
            time_ns, plain = epoch_to_ns(time_ns)
            if not plain:
                return None
        values: dict[str, Column] = {}
        for f in (*_PRICES, "volume"):
            if f in columns:
                values[f] = _numpy(columns[f], np.float64)
                if not reckonable(values[f]).all():
                    return None
        if "volume" in values and values["volume"].size and values["volume"].min() < 0:
            return None
        symbol_id = self._symbol_ids(columns.get("symbol"), columns.get("venue"), table.num_rows)
        if symbol_id.size and symbol_id.min() < 0:
            return None
        if "trade_id" in columns and layout.numeric_ids:
            ids = _numpy(columns["trade_id"], np.int64)
            if ids.size and (ids.min() < 0 or ids.max() >= _NUMERIC_ID_LIMIT):
                return None
            values["trade_id_hash"] = hash_trade_numbers(ids)
        elif "trade_id" in columns:
            values["trade_id_hash"] = hash_trade_ids(t.strip() for t in columns["trade_id"].to_pylist())
        values |= _sides(columns)
        return _Raw(values, time_ns, layout.time_style is TimeStyle.NAIVE, symbol_id, None)

    def _strict(self, data: bytes) -> _Raw:
        layout = self._layout
        clock = [] if layout.clock_column is None else [layout.clock_column]
        use = list(dict.fromkeys([*layout.fields.values(), *clock]))
        cells = read_cells(data, layout, use)
        texts = {f: cells.columns[i] for f, i in layout.fields.items()}
        when = texts["time"]
        if layout.clock_column is not None:
            when = when + " " + cells.columns[layout.clock_column]
            cells.columns[layout.fields["time"]] = when.str.strip_chars()  # a fault shows both: either may be wrong
        times = read_times(when, layout.dates)
        cells.blame(~times.readable, "time", layout.fields["time"], "is not readable")
        values: dict[str, Column] = {}
        said = {"close": "price", "volume": "amount"} if layout.kind is Kind.TRADE else {}
        for f in (*_PRICES, "volume"):
            if f in texts:
                values[f] = read_numbers(texts[f], layout.marks)
                odd, at = ~np.isfinite(values[f]), layout.fields[f]
                if not layout.marks.group and odd.any():
                    comma = texts[f].str.contains(r"^[+-]?\d{1,3}(,\d{3})+$").fill_null(False).to_numpy()
                    cells.blame(odd & comma, said.get(f, f), at, TWO_READINGS)
                cells.blame(odd, said.get(f, f), at, "is not a number")
                cells.blame(~reckonable(values[f]), said.get(f, f), at, "is too large or too small for one")
        if "volume" in values:
            cells.blame(values["volume"] < 0, said.get("volume", "volume"), layout.fields["volume"], "is negative")
        arrow = {f: texts[f].fill_null("").to_arrow().cast(pa.string()) for f in texts if f not in values}
        encoded = {f: arrow[f].dictionary_encode() for f in arrow if f not in ("time", "trade_id")}
        symbol_id = self._symbol_ids(encoded.get("symbol"), encoded.get("venue"), len(when))
        for f in () if cells.is_text else ("symbol", "venue"):  # names that differ in such letters alone would be one
            if f in texts:
                broken = texts[f].str.contains(NOT_UTF_8, literal=True).fill_null(False).to_numpy()
                cells.blame(broken, f, layout.fields[f], "is not UTF-8, save the file as UTF-8")
        if "symbol" in texts:
            cells.blame(symbol_id < 0, "symbol", layout.fields["symbol"], "is not a name")
        if "trade_id" in arrow:
            values["trade_id_hash"] = hash_trade_ids(arrow["trade_id"].to_pylist())
        values |= _sides(encoded)
        return _Raw(values, times.ns, times.naive, symbol_id, cells)

    def _symbol_ids(self, symbols: pa.Array | None, venues: pa.Array | None, n: int) -> NDArray[np.int32]:
        table, layout = self._instruments, self._layout
        if symbols is None and venues is None:
            return np.full(n, table.id_of(layout.symbol or "", layout.venue) if n else 0, np.int32)
        names = symbols.dictionary.to_pylist() if symbols is not None else [layout.symbol or ""]
        codes = _numpy(symbols.indices, np.int32) if symbols is not None else np.zeros(n, np.int32)
        if venues is None:
            return np.array([table.id_of(s, layout.venue) for s in names], np.int32)[codes] if n else codes
        places = [v.strip() or layout.venue for v in venues.dictionary.to_pylist()]
        pairs, where = np.unique(codes * np.int64(len(places)) + _numpy(venues.indices, np.int32), return_inverse=True)
        ids = [table.id_of(names[p // len(places)], places[p % len(places)]) for p in pairs.tolist()]
        return np.array(ids, np.int32)[where]

    def _finish(self, raw: _Raw, data: bytes, first_line: int) -> Rows:
        faults = {} if raw.cells is None else raw.cells.faults
        dead = np.zeros(raw.time_ns.size, np.bool_)
        dead[list(faults)] = True
        time_ns = self._to_utc(raw, dead, faults)
        columns = _columns(raw, time_ns, self._layout)
        acting = columns["ts_event_ns"] + columns["interval_ns"]
        if not faults:
            return Rows(columns, acting, ())
        acting[list(faults)] = NO_TIME
        lines = data.split(b"\n") if raw.cells is None else raw.cells.lines
        found = []
        for row in sorted(faults):
            at = row if raw.cells is None else raw.cells.numbers[row]  # the fast reading takes no blank lines
            text = lines[at].decode("utf-8", "replace").rstrip("\r")[:_RAW_CHARS]
            found.append(Fault(row, first_line + at, PurePath(self._layout.file).name, faults[row], text))
        return Rows(columns, acting, tuple(found))

    def _to_utc(self, raw: _Raw, dead: NDArray[np.bool_], faults: dict[int, str]) -> NDArray[np.int64]:
        """Apply the zones to the local times; times that a zone skipped become faults."""
        local = ~dead & raw.naive
        if not local.any():
            return raw.time_ns
        repeats = self._layout.interval_ns >= HOUR_NS
        time_ns = raw.time_ns if local.all() else raw.time_ns.copy()
        for zone, of_zone in self._instruments.by_zone(np.maximum(raw.symbol_id, 0)):
            chosen = local if of_zone is None else local & of_zone
            whole = bool(chosen.all())
            rows = np.arange(local.size) if not whole else None
            at = raw.time_ns if whole else raw.time_ns[chosen]
            reading = read_local(at, zone)
            symbols = raw.symbol_id if whole else raw.symbol_id[chosen]
            later = self._folds.setdefault(zone, FoldTracker()).later(at, reading, symbols, repeats)
            utc = reading.utc_ns
            if reading.later_by_ns is not None:
                utc = utc + np.where(later, reading.later_by_ns, 0)
            if reading.missing is not None:
                places = np.flatnonzero(reading.missing) if rows is None else rows[chosen][reading.missing]
                for row in places.tolist():
                    faults[row] = f"time does not exist in {zone}: its clock was put forward over it"
            if whole:
                time_ns = utc
            else:
                time_ns[chosen] = utc
        return time_ns


def _typed_table(data: bytes, layout: Layout) -> pa.Table | None:
    names = [f"c{i}" for i in range(layout.width)]
    types: dict[str, pa.DataType] = {}
    for field, i in layout.fields.items():
        if field == "time":
            types[names[i]] = _ARROW_TIMES[layout.time_style]
        elif field == "trade_id":
            types[names[i]] = pa.int64() if layout.numeric_ids else pa.string()
        else:
            number = field in _PRICES or field == "volume"
            types[names[i]] = pa.float64() if number else pa.dictionary(pa.int32(), pa.string())
    try:
        return pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            parse_options=pa_csv.ParseOptions(delimiter=layout.delimiter, quote_char=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=types,
                include_columns=[names[i] for i in layout.fields.values()],
                decimal_point=layout.marks.decimal,
            ),
        )
    except pa.ArrowInvalid:  # the strict reading finds out what and where
        return None


def _numpy(array: pa.Array, dtype: type[N]) -> NDArray[N]:
    """The values of an array without nulls, copied: compiled kernels tell read-only arrays apart and would be compiled
    twice. (pyarrow's own way also imports pandas where it is installed, which takes a second.)"""
    if len(array) == 0:
        return np.empty(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)].copy()


def _sides(encoded: dict[str, pa.Array]) -> dict[str, Column]:
    """The taker's side: as it is told, else from who was the maker."""
    for field, meaning in (("side", _SIDES), ("buyer_is_maker", _TAKER_SOLD)):
        if field in encoded:
            names = encoded[field].dictionary.to_pylist()
            signs = np.array([meaning.get((name or "").strip().lower(), 0) for name in names], np.int8)
            codes = _numpy(encoded[field].indices, np.int32)
            return {"side": signs[codes] if codes.size else codes.astype(np.int8)}
    return {}


def _columns(raw: _Raw, time_ns: NDArray[np.int64], layout: Layout) -> dict[str, Column]:
    """All columns of a batch but the offset. Bars that lack some prices get them from those that are there."""
    n, values = time_ns.size, raw.values
    close = values["close"]
    known = [values[f] for f in _PRICES if f in values]
    zeros = np.zeros(n, np.int64)
    return {
        "symbol_id": raw.symbol_id,
        "kind": np.full(n, layout.kind, np.int8),
        "ts_event_ns": time_ns,
        "interval_ns": np.full(n, layout.interval_ns, np.int64),
        "open": values.get("open", close),
        "high": values["high"] if "high" in values else np.maximum.reduce(known),
        "low": values["low"] if "low" in values else np.minimum.reduce(known),
        "close": close,
        "volume": values.get("volume", np.full(n, np.nan)),
        "side": values.get("side", np.zeros(n, np.int8)),
        "trade_id_hash": values.get("trade_id_hash", zeros),
        "ts_append_ns": zeros,
    }
