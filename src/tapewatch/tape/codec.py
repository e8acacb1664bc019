"""Messages of the tape to columns and back. One bad message is one dead letter and touches no other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tapewatch.model.instruments import Instrument, default_venue, upper_symbol
from tapewatch.model.numbers import LEAST, MOST
from tapewatch.model.ticks import DTYPES, Column, DeadLetter, FeedBatch, Kind, TickBatch, make_batch
from tapewatch.model.times import LONGEST_INTERVAL_NS, MINUTE_NS, format_rfc3339
from tapewatch.model.trade_ids import hash_trade_ids, hash_trade_numbers
from tapewatch.model.zones import read_local
from tapewatch.tape.encode_columns import encode_many
from tapewatch.tape.messages import MISSING, DeadRecord, Number, Record, decode_message
from tapewatch.tape.plain import BEAT, HANDED_BACK, HASHED, NUMBERED, Scanned, scan
from tapewatch.tape.port import RawBatch
from tapewatch.tape.times import epoch_number, parse_time

_RAW_CHARS = 1000
_LONGEST_SYMBOL = 64
_KINDS = np.array([0, Kind.BAR, Kind.TRADE, Kind.HEARTBEAT], np.int8)  # by what the scanner found
_FEW = 16  # messages: below so many, preparing the scanner costs more than it saves
_MANY = 512  # records: below so many, writing one after the other is faster than tables
_MOST_KNOWN = 100_000  # names of instruments that a decoder keeps
_SIDES = {"buy": 1, "b": 1, "bid": 1, "buyer": 1, "1": 1, "sell": -1, "s": -1, "ask": -1, "seller": -1, "-1": -1}
_SIDE_NAMES = {1: "buy", -1: "sell"}


@dataclass(frozen=True, slots=True)
class CodecSettings:
    """What messages do not say: `venue` of those without one (None: the default by symbol), the length of a bar, the
    tape's name in dead letters, and each venue's zone for times without an offset."""

    source: str
    zone_of: Callable[[str], str]
    venue: str | None = None
    interval_ns: int = MINUTE_NS


_Dead = dict[int, str | DeadRecord]
_Columns = dict[str, Column]


class _UnreadableError(Exception):
    """What is wrong with a message that is JSON."""


class _Row(NamedTuple):
    """One tick or heartbeat, its time not yet put into UTC."""

    symbol_id: int
    kind: int
    time_ns: int
    local: bool
    interval_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    side: int
    trade_id_hash: int
    at: int  # index of the message


_ROWS = np.dtype([(n, ({"at": "i8", "local": "?", "time_ns": "i8"} | DTYPES)[n]) for n in _Row._fields])


class _Names:
    """The instruments and times of one batch: each distinct text is looked into once."""

    def __init__(self) -> None:
        self.symbols: dict[Instrument, int] = {}
        self.ids: dict[tuple[str | None, str | None], int] = {}
        self.times: dict[str | int | float | None, tuple[int, bool]] = {}


class JsonDecoder:
    """Decodes raw batches; a pure function of the messages and the settings but for `default_venues`.

    A naive time in the hour that comes twice is read as its earlier pass: a message has no order to tell it by.
    """

    def __init__(self, settings: CodecSettings) -> None:
        self._settings = settings
        self.default_venues: dict[str, str] = {}
        """Venues that were taken for want of one, each with the first symbol that it was taken for."""
        self._known: dict[tuple[bytes, bytes | None], Instrument] = {}  # by the texts of symbol and venue

    def decode(self, raw: RawBatch) -> FeedBatch:
        """Columns of the readable messages, dead letters for the others.

        About 0.6 us a message where they are flat objects of plain texts and numbers, 8 us where they are not. The
        first batch of more than a few messages compiles the scanner (seconds) or loads it from the disk's cache;
        `warm_up` does it ahead.
        """
        if len(raw) < _FEW:
            return self.decode_strictly(raw)
        found = scan(raw.data, raw.starts, self._settings.interval_ns)
        return self._join(raw, found, np.flatnonzero(found.found == HANDED_BACK).tolist())

    def decode_strictly(self, raw: RawBatch) -> FeedBatch:
        """The same result, each message read on its own: the definition of what `decode` gives."""
        return self._join(raw, None, list(range(len(raw))))

    def warm_up(self) -> None:
        """Compile what `decode` needs."""
        scan(b"{}", np.array([0, 2], np.int64), self._settings.interval_ns)

    def _join(self, raw: RawBatch, found: Scanned | None, handed_back: list[int]) -> FeedBatch:
        """Put together what the scanner read and what is read here, names in the order in which they come up."""
        names = _Names()
        rows: list[_Row] = []
        dead: _Dead = {}
        name_ids: list[int] = []
        scanned = found.names.tolist() if found is not None else []  # where each name stands first, its two texts
        edges = raw.starts.tolist() if handed_back else []
        for at in handed_back:
            while len(name_ids) < len(scanned) and scanned[len(name_ids)][0] < at:
                name_ids.append(self._scanned_name(raw.data, found, scanned, len(name_ids), names, dead))
            try:
                record = decode_message(raw.data[edges[at] : edges[at + 1]])
                if record.dead is not None:
                    dead[at] = record.dead
                else:
                    rows.append(self._row(record, names, at))
            except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # bad text, giant numbers, deep nests
                dead[at] = f"not readable: {error}"
            except _UnreadableError as fault:
                dead[at] = str(fault)
        for number in range(len(name_ids), len(scanned)):
            name_ids.append(self._scanned_name(raw.data, found, scanned, number, names, dead))
        symbols = tuple(names.symbols)
        parts = [_row_columns(rows)] if rows or found is None else []
        if found is not None:
            parts.append(_scanned_columns(found, np.array([*name_ids, -1], np.int32)))
        ticks = self._columns(parts, symbols, raw, dead)
        letters = tuple(self._letter(raw, at, dead[at]) for at in sorted(dead))
        return FeedBatch(ticks, letters, raw.start, raw.end)

    def _row(self, record: Record, names: _Names, at: int) -> _Row:
        if record.heartbeat is not None:
            time_ns, local = _time(record.heartbeat, "heartbeat")
            if local:
                raise _UnreadableError(f"heartbeat without an offset from UTC: {record.heartbeat!r}")
            return _Row(-1, Kind.HEARTBEAT, time_ns, False, 0, 0.0, 0.0, 0.0, 0.0, np.nan, 0, 0, at)
        symbol_id = self._symbol_id(record, names)
        when = names.times.get(record.timestamp)
        if when is None:
            when = names.times[record.timestamp] = _time(record.timestamp, "timestamp")
        if record.close == MISSING and record.price != MISSING:
            price = _finite(record.price, "price")
            size = _quantity(record.size, "size")
            side = 0 if record.side is None else _SIDES.get(str(record.side).strip().lower(), 0)
            prices = (price, price, price, price)
            return _Row(symbol_id, Kind.TRADE, *when, 0, *prices, size, side, _id_hash(record), at)
        prices = (
            _finite(record.open, "open"),
            _finite(record.high, "high"),
            _finite(record.low, "low"),
            _finite(record.close, "close"),
        )
        volume = _quantity(record.volume, "volume")
        return _Row(symbol_id, Kind.BAR, *when, self._interval(record), *prices, volume, 0, 0, at)

    def _symbol_id(self, record: Record, names: _Names) -> int:
        symbol_id = names.ids.get((record.venue, record.symbol))
        if symbol_id is None:
            instrument = self._instrument(record)
            symbol_id = names.symbols.setdefault(instrument, len(names.symbols))
            names.ids[record.venue, record.symbol] = symbol_id
        return symbol_id

    def _instrument(self, record: Record) -> Instrument:
        symbol = upper_symbol(record.symbol or "")
        if not symbol:
            raise _UnreadableError("symbol is missing")
        if len(symbol) > _LONGEST_SYMBOL or not symbol.isprintable():
            raise _UnreadableError(f"symbol is not a name: {symbol[:40]!r}")
        return Instrument(self._venue(record, symbol), symbol)

    def _interval(self, record: Record) -> int:
        if record.interval_ns is None:
            return self._settings.interval_ns
        if not 0 < record.interval_ns <= LONGEST_INTERVAL_NS:
            raise _UnreadableError(f"interval_ns is not the length of a bar: {record.interval_ns}")
        return record.interval_ns

    def _venue(self, record: Record, symbol: str) -> str:
        venue = (record.venue or "").strip() or self._settings.venue
        if venue is None:
            venue = default_venue(symbol)
            self.default_venues.setdefault(venue, symbol)
        if len(venue) > _LONGEST_SYMBOL or not venue.isprintable():
            raise _UnreadableError(f"venue is not a name: {venue[:40]!r}")
        return venue

    def _scanned_name(
        self, data: bytes, found: Scanned | None, scanned: list[list[int]], number: int, names: _Names, dead: _Dead
    ) -> int:
        """The symbol's id of one pair of texts that the scanner numbered; -1 where it is no name: all its messages are
        dead then."""
        if found is None:
            raise AssertionError("unreachable: names come from a scan")
        _, symbol_from, symbol_to, venue_from, venue_to = scanned[number]
        texts = data[symbol_from:symbol_to], data[venue_from:venue_to] if venue_to >= 0 else None
        try:
            instrument = self._known.get(texts) or self._learn(*texts)
        except _UnreadableError as fault:
            dead.update(dict.fromkeys(np.flatnonzero(found.name_id == number).tolist(), str(fault)))
            return -1
        return names.symbols.setdefault(instrument, len(names.symbols))

    def _learn(self, symbol: bytes, venue: bytes | None) -> Instrument:
        """The instrument of two texts, kept for the batches to come."""
        record = Record(symbol=symbol.decode("ascii"), venue=None if venue is None else venue.decode("ascii"))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        return self._known.setdefault((symbol, venue), self._instrument(record))

    def _columns(self, parts: list[_Columns], symbols: tuple[Instrument, ...], raw: RawBatch, dead: _Dead) -> TickBatch:
        columns = parts[0]
        if len(parts) > 1:
            columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            order = np.argsort(columns["at"], kind="stable")
            columns = {name: column[order] for name, column in columns.items()}
        at, local = columns.pop("at"), columns.pop("local")
        time_ns = columns["ts_event_ns"] = columns.pop("time_ns")
        columns |= {"ts_append_ns": raw.ts_append_ns[at], "offset": raw.offsets[at]}
        skipped = self._to_utc(time_ns, local, columns["symbol_id"], symbols)
        ticks = make_batch(symbols, at.size, **columns)
        if not skipped.any():
            return ticks
        dead |= dict.fromkeys(at[skipped].tolist(), "timestamp does not exist on the venue's clock, which skipped it")
        return ticks.take(np.flatnonzero(~skipped))

    def _to_utc(
        self,
        time_ns: NDArray[np.int64],
        local: NDArray[np.bool_],
        symbol_id: NDArray[np.int32],
        symbols: tuple[Instrument, ...],
    ) -> NDArray[np.bool_]:
        """Put local times into UTC, in place; which of them do not exist."""
        skipped = np.zeros(local.shape, np.bool_)
        if not local.any():
            return skipped
        zones = [self._settings.zone_of(s.venue) for s in symbols]
        numbers = np.array([zones.index(z) for z in zones])[symbol_id]
        for number in np.unique(numbers[local]).tolist():
            chosen = local & (numbers == number)
            reading = read_local(time_ns[chosen], zones[number])
            time_ns[chosen] = reading.utc_ns
            if reading.missing is not None:
                skipped[np.flatnonzero(chosen)[reading.missing]] = True
        return skipped

    def _letter(self, raw: RawBatch, at: int, fault: str | DeadRecord) -> DeadLetter:
        offset = int(raw.offsets[at])
        if isinstance(fault, DeadRecord):
            raw_text = fault.raw[:_RAW_CHARS]
            return DeadLetter(
                source=fault.source, position=fault.position, offset=offset, reason=fault.reason, raw=raw_text
            )
        text = raw.data[raw.starts[at] : raw.starts[at + 1]][: 4 * _RAW_CHARS].decode("utf-8", "replace")[:_RAW_CHARS]
        return DeadLetter(source=self._settings.source, position=offset, offset=offset, reason=fault, raw=text)


def encode_batch(batch: FeedBatch) -> list[bytes]:
    """One message a record of the batch, in the order of their offsets; decoding them gives the same columns (but for
    the offsets and append times, which are the tape's)."""
    messages = encode_ticks(batch.ticks)
    dead = [
        Record(dead=DeadRecord(source=d.source, position=d.position, reason=d.reason, raw=d.raw)) for d in batch.dead
    ]
    placed = dict(zip(batch.ticks.offset.tolist(), messages, strict=True))
    placed |= {d.offset: msgspec.json.encode(r) for d, r in zip(batch.dead, dead, strict=True)}
    return [placed[offset] for offset in sorted(placed)]


def encode_ticks(ticks: TickBatch) -> list[bytes]:
    """One message a tick; numbers are the shortest that read back. About 0.7 us each where they are many."""
    if len(ticks) >= _MANY:
        return encode_many(ticks)
    columns: dict[str, Sequence[float | int]] = {name: column.tolist() for name, column in ticks.columns().items()}
    return [_encode(ticks.symbols, columns, i) for i in range(len(ticks))]


def _encode(symbols: tuple[Instrument, ...], columns: dict[str, Sequence[float | int]], i: int) -> bytes:
    time = format_rfc3339(int(columns["ts_event_ns"][i]))
    if columns["kind"][i] == Kind.HEARTBEAT:
        return msgspec.json.encode(Record(heartbeat=time))
    instrument = symbols[int(columns["symbol_id"][i])]
    volume = None if math.isnan(columns["volume"][i]) else columns["volume"][i]  # NaN: the feed does not tell it
    record = Record(symbol=instrument.symbol, venue=instrument.venue, timestamp=time)
    if columns["kind"][i] == Kind.TRADE:
        record.price, record.size = columns["close"][i], volume
        record.side = _SIDE_NAMES.get(int(columns["side"][i]))
        record.trade_id_hash = int(columns["trade_id_hash"][i]) or None
        return msgspec.json.encode(record)
    record.open, record.high = columns["open"][i], columns["high"][i]
    record.low, record.close = columns["low"][i], columns["close"][i]
    record.volume, record.interval_ns = volume, int(columns["interval_ns"][i])
    return msgspec.json.encode(record)


def _row_columns(rows: list[_Row]) -> _Columns:
    table = np.array(rows, _ROWS)  # all at once: an array a column takes three times as long
    return {name: table[name] for name in _Row._fields}


def _scanned_columns(found: Scanned, symbol_ids: NDArray[np.int32]) -> _Columns:
    """Columns of what the scanner read, but for the messages whose name is none. The last of `symbol_ids` is -1."""
    symbol_id = symbol_ids[found.name_id]
    taken = (found.found != HANDED_BACK) & ((symbol_id >= 0) | (found.found == BEAT))
    id_hash = np.where(found.id_kind == HASHED, found.id_number, 0)
    numbered = found.id_kind == NUMBERED
    id_hash[numbered] = hash_trade_numbers(found.id_number[numbered])
    prices = dict(zip(("open", "high", "low", "close", "volume"), found.values, strict=True))
    columns: _Columns = {
        "symbol_id": symbol_id,
        "kind": _KINDS[found.found],
        "time_ns": found.time_ns,
        "local": found.local,
        "interval_ns": found.interval_ns,
        **prices,
        "side": found.side,
        "trade_id_hash": id_hash,
        "at": np.arange(taken.size),
    }
    return columns if taken.all() else {name: column[taken] for name, column in columns.items()}


def _time(value: str | float | None, name: str) -> tuple[int, bool]:
    if value is None:
        raise _UnreadableError(f"{name} is missing")
    found = parse_time(value) if isinstance(value, str) else epoch_number(value)
    if found is None:
        raise _UnreadableError(f"{name} is not readable: {str(value)[:40]!r}")
    return found


def _finite(value: Number, name: str) -> float:
    if value == MISSING:
        raise _UnreadableError(f"{name} is missing")
    if value is None or not -MISSING < value < MISSING:
        raise _UnreadableError(f"{name} is not a number: {value}")
    if value and not LEAST <= abs(value) <= MOST:
        raise _UnreadableError(f"{name} is too large or too small for one: {str(value)[:40]}")
    return value


def _quantity(value: Number, name: str) -> float:
    if value is None:
        return np.nan
    if _finite(value, name) < 0:
        raise _UnreadableError(f"{name} is negative: {value}")
    return value


def _id_hash(record: Record) -> int:
    if record.trade_id is not None:
        return int(hash_trade_ids([str(record.trade_id)])[0])
    return record.trade_id_hash or 0
