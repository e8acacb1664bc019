"""The spool: what was appended since the last flush, so that the death of the process loses none of it.

A file of frames, one a batch: length and CRC-32 of the rest; length of the head; the head (JSON: the offset after the
last record, the instruments, the number of rows); the columns as they lie in memory, little-endian, those of one value
throughout as that value. Each frame is forced to the disk before `add` returns, so that nothing that is committed
afterwards is missing here after a power cut; each flush empties the file. A torn tail is left out.
"""

import itertools
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import DTYPES, Column, TickBatch

NAME = "spool.bin"
_FRAME = struct.Struct("<QI")
_HEAD = struct.Struct("<I")
_COLUMNS = {name: np.dtype(f"<{kind}") for name, kind in DTYPES.items()} | {"fate": np.dtype("<i1")}

Piece = tuple[TickBatch, NDArray[np.int8], int]  # ticks, fates, the offset after the last record


class _Head(msgspec.Struct, frozen=True):
    end: int
    rows: int
    columns: dict[str, str]
    symbols: tuple[Instrument, ...]
    constant: tuple[str, ...] = ()  # the columns that are one value


class Spool:
    """The frames of one file. Not safe for several threads."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        # Unbuffered: what could not be written must not be written later all the same.
        self._file = self._path.open("ab", buffering=0)

    def add(self, ticks: TickBatch, fates: NDArray[np.int8], end: int) -> None:
        """Append one piece; all of it or, where that fails (OSError), none."""
        given = ticks.columns() | {"fate": fates}
        columns = {name: np.ascontiguousarray(given[name], dtype) for name, dtype in _COLUMNS.items()}
        constant = tuple(name for name, column in columns.items() if _is_constant(column))
        head = msgspec.json.encode(
            _Head(end, len(ticks), {name: dtype.str for name, dtype in _COLUMNS.items()}, ticks.symbols, constant)
        )
        parts: list[bytes | memoryview] = [_HEAD.pack(len(head)) + head]
        parts += [(c[:1] if name in constant else c).view(np.uint8).data for name, c in columns.items()]
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        before = self._path.stat().st_size
        try:
            for part in (_FRAME.pack(sum(len(part) for part in parts), checksum), *parts):
                self._write(part)
            os.fdatasync(self._file.fileno())
        except OSError:
            self._file.truncate(before)
            raise

    def clear(self) -> None:
        """Forget all pieces: they are in the history now."""
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file; the pieces stay in it."""
        self._file.close()

    def recover(self) -> Iterator[Piece]:
        """The pieces that were written whole, in order; what follows them is cut off."""
        whole = 0
        with self._path.open("rb") as file:
            while len(frame := file.read(_FRAME.size)) == _FRAME.size:
                size, checksum = _FRAME.unpack(frame)
                if whole + size > self._path.stat().st_size:
                    break
                payload = file.read(size)
                if len(payload) < size or zlib.crc32(payload) != checksum:
                    break
                yield _decode(payload)
                whole += _FRAME.size + size
        self._file.truncate(whole)

    def _write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]


def trimmed(ticks: TickBatch) -> TickBatch:
    """The same records with only the symbols that they use: the table of a wide tape is larger than a small batch."""
    used = np.bincount(ticks.symbol_id, minlength=len(ticks.symbols)) > 0
    if used.all():
        return ticks
    ids = (np.cumsum(used) - 1).astype(np.int32)
    return replace(ticks, symbols=tuple(itertools.compress(ticks.symbols, used)), symbol_id=ids[ticks.symbol_id])


def _is_constant(column: Column) -> bool:
    bits = column.view(f"u{column.itemsize}")  # as bits: NaN is the same as NaN, and 0.0 is not -0.0
    return bits.size > 1 and bool((bits == bits[0]).all())


def _decode(payload: bytes) -> Piece:
    (size,) = _HEAD.unpack_from(payload)
    head = msgspec.json.decode(payload[_HEAD.size : _HEAD.size + size], type=_Head)
    columns: dict[str, Column] = {}
    at = _HEAD.size + size
    for name, dtype in head.columns.items():
        column = np.frombuffer(payload, dtype, 1 if name in head.constant else head.rows, at)
        at += column.nbytes
        columns[name] = np.broadcast_to(column, head.rows).astype(column.dtype.newbyteorder("="))
    fates = columns.pop("fate")
    return trimmed(TickBatch(head.symbols, **columns)), fates, head.end
