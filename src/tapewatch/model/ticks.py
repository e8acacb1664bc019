"""Ticks as columns: no object a tick anywhere."""

from dataclasses import dataclass, fields
from enum import IntEnum
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tapewatch.model.instruments import Instrument

Column = NDArray[Any]


class Kind(IntEnum):
    """What a record of the tape is."""

    TRADE = 0
    BAR = 1
    HEARTBEAT = 2


class Fate(IntEnum):
    """What became of a record: every record of a tape has exactly one; their sum is the tape's length."""

    JUDGED = 0
    LATE = 1
    DUPLICATE = 2
    CORRECTION = 3
    FUTURE = 4
    HEARTBEAT = 5
    DEAD = 6


DTYPES: dict[str, str] = {
    "symbol_id": "i4",
    "kind": "i1",
    "ts_event_ns": "i8",
    "interval_ns": "i8",
    "open": "f8",
    "high": "f8",
    "low": "f8",
    "close": "f8",
    "volume": "f8",
    "side": "i1",
    "trade_id_hash": "i8",
    "ts_append_ns": "i8",
    "offset": "i8",
}


@dataclass(frozen=True, slots=True)
class TickBatch:
    """n records in tape order, as C-contiguous columns of one length (dtypes: `DTYPES`).

    `symbols[symbol_id]` names the instrument; ids are local to the batch, -1 for a heartbeat. A trade is a bar of one
    price with `interval_ns` 0. A bar is stamped with its start and acts at `ts_event_ns + interval_ns`. `volume` is NaN
    where the feed does not tell it. `side`: 1 buy, -1 sell, 0 unknown. `trade_id_hash`: 0 where there is no id.
    `ts_append_ns`: when the log took it, 0 where nobody knows. `offset`: position in the tape.
    """

    symbols: tuple[Instrument, ...]
    symbol_id: NDArray[np.int32]
    kind: NDArray[np.int8]
    ts_event_ns: NDArray[np.int64]
    interval_ns: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    side: NDArray[np.int8]
    trade_id_hash: NDArray[np.int64]
    ts_append_ns: NDArray[np.int64]
    offset: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.ts_event_ns.shape[0])

    def columns(self) -> dict[str, Column]:
        """The columns by name, without copying."""
        return {name: getattr(self, name) for name in DTYPES}

    def take(self, index: slice | Column) -> "TickBatch":
        """The records at `index` (a slice gives views, an array copies)."""
        return TickBatch(self.symbols, **{n: np.ascontiguousarray(c[index]) for n, c in self.columns().items()})


def make_batch(symbols: tuple[Instrument, ...], n: int, **columns: Column) -> TickBatch:
    """Build a batch of n records; columns that are not given get their neutral value (volume NaN, the rest 0).

    Only `close` given means trades of one price: open, high and low follow it. Raises ValueError for a column of
    another length or an unknown name.
    """
    if unknown := columns.keys() - DTYPES.keys():
        raise ValueError(f"unknown columns {sorted(unknown)}")
    filled: dict[str, Column] = {}
    for name, dtype in DTYPES.items():
        column = columns.get(name)
        if column is None:
            column = _neutral(name, n, columns.get("close"))
        filled[name] = np.ascontiguousarray(column, dtype=dtype)
        if filled[name].shape != (n,):
            raise ValueError(f"column {name} has shape {filled[name].shape}, expected ({n},)")
    return TickBatch(symbols, **filled)


def _neutral(name: str, n: int, close: Column | None) -> Column:
    if close is not None and name in ("open", "high", "low"):
        return close
    return np.full(n, np.nan) if name == "volume" else np.zeros(n, DTYPES[name])


def concat(batches: list[TickBatch]) -> TickBatch:
    """Join batches in order; symbol ids are mapped to one table. Empty input is a ValueError."""
    if not batches:
        raise ValueError("nothing to concatenate")
    table: dict[Instrument, int] = {}
    parts: list[dict[str, Column]] = []
    for batch in batches:
        ids = np.array([table.setdefault(s, len(table)) for s in batch.symbols] or [0], dtype=np.int32)
        part = batch.columns()
        part["symbol_id"] = np.where(batch.symbol_id >= 0, ids[np.maximum(batch.symbol_id, 0)], -1).astype(np.int32)
        parts.append(part)
    joined = {name: np.concatenate([p[name] for p in parts]) for name in DTYPES}
    return TickBatch(tuple(table), **joined)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be read, with what is needed to find and replay it."""

    source: str  # file name, topic, ...
    position: int  # line of the file, or offset of the topic
    offset: int  # its offset in the tape
    reason: str
    raw: str  # the original text, cut to 1,000 characters

    @property
    def content(self) -> str:
        """A digest of the original text: stores tell letters apart by source, offset and this."""
        return blake2b(self.raw.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """What a feed yields: the records of the tape from `start` to `end` (exclusive); those unreadable are in `dead`.

    len(ticks) + len(dead) == end - start; `ticks.offset` and `dead[i].offset` lie in [start, end), none twice.
    """

    ticks: TickBatch
    dead: tuple[DeadLetter, ...]
    start: int
    end: int


assert tuple(f.name for f in fields(TickBatch)) == ("symbols", *DTYPES)
