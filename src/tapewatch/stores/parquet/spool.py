"""The spool: what was appended since the last flush, so that the death of the process loses none of it.

A file of frames: length, CRC-32 and bytes of one Arrow IPC stream a batch. It is written without waiting for the disk
(a power cut may cost its tail, a killed process never) and emptied by each flush. A torn tail is left out.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import DTYPES, TickBatch

NAME = "spool.arrow"
_HEADER = struct.Struct("<QI")

Piece = tuple[TickBatch, NDArray[np.int8], int]  # ticks, fates, the offset after the last record


class _About(msgspec.Struct, frozen=True):
    end: int
    symbols: tuple[Instrument, ...]


class Spool:
    """The frames of one file. Not safe for several threads."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._file = self._path.open("ab")

    def add(self, ticks: TickBatch, fates: NDArray[np.int8], end: int) -> None:
        """Append one piece; all of it or, where that fails (OSError), none."""
        payload = _encode(ticks, fates, end)
        before = self._file.tell()
        try:
            self._file.write(_HEADER.pack(payload.size, zlib.crc32(payload)))
            self._file.write(payload)
            self._file.flush()
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
            while header := file.read(_HEADER.size):
                if len(header) < _HEADER.size:
                    break
                size, checksum = _HEADER.unpack(header)
                payload = file.read(size)
                if len(payload) < size or zlib.crc32(payload) != checksum:
                    break
                yield _decode(payload)
                whole += _HEADER.size + size
        self._file.truncate(whole)


def _encode(ticks: TickBatch, fates: NDArray[np.int8], end: int) -> pa.Buffer:
    columns = ticks.columns() | {"fate": fates}
    about = msgspec.json.encode(_About(end, ticks.symbols))
    batch = pa.record_batch({name: pa.array(column) for name, column in columns.items()}, metadata={"about": about})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _decode(payload: bytes) -> Piece:
    with pa.ipc.open_stream(payload) as reader:
        table = reader.read_all()
    about = msgspec.json.decode(table.schema.metadata[b"about"], type=_About)
    columns = {name: np.ascontiguousarray(table[name].to_numpy(), dtype=dtype) for name, dtype in DTYPES.items()}
    return TickBatch(about.symbols, **columns), table["fate"].to_numpy().astype(np.int8), about.end
