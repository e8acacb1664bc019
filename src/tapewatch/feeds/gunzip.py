"""A pipe that may be packed, as bytes that are not: standard input of `gzip` as well as of `cat`."""

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP_MAGIC = b"\x1f\x8b"
_PIECE_BYTES = 64 << 10
_WBITS = 16 + zlib.MAX_WBITS  # with gzip's header and checksum


def unpacked(stream: BinaryIO) -> BinaryIO:
    """`stream` from its beginning, unpacked where it begins as gzip does; reads two bytes of it, and waits for them.

    What comes is handed on at once. A read raises EOFError where the packed data is cut off, zlib.error where it is
    damaged.
    """
    start = b""
    while len(start) < len(GZIP_MAGIC) and (piece := stream.read(len(GZIP_MAGIC) - len(start))):
        start += piece
    raw = _Begun(start, stream)
    return cast(BinaryIO, _Gunzip(raw) if start == GZIP_MAGIC else raw)


def read_some(stream: BinaryIO | io.RawIOBase, size: int) -> bytes:
    """What is there by now, at least a byte, at most `size`; empty at the end."""
    read1 = getattr(stream, "read1", None)
    return bytes((stream.read if read1 is None else read1)(size) or b"")


class _Begun(io.RawIOBase):
    """A stream of which the first bytes were read already. Without a buffer, and so without its lock: a thread that
    waits in one at the end aborts the process."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._rest.fileno()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._start or read_some(self._rest, len(view))
        self._start = data[len(view) :]
        return _fill(view, data[: len(view)])


class _Gunzip(io.RawIOBase):
    """What is packed in `source`: one gzip member or several."""

    def __init__(self, source: io.RawIOBase) -> None:
        self._source = source
        self._member = zlib.decompressobj(_WBITS)
        self._packed = b""

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._source.fileno()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        while True:
            if self._member.eof:
                self._packed = (self._member.unused_data or read_some(self._source, _PIECE_BYTES)).lstrip(b"\0")
                if not self._packed:
                    return 0
                self._member = zlib.decompressobj(_WBITS)
            data = self._member.decompress(self._packed, len(view))
            self._packed = self._member.unconsumed_tail
            if data:
                return _fill(view, data)
            if not self._packed and not self._member.eof:
                self._packed = read_some(self._source, _PIECE_BYTES)
                if not self._packed:
                    raise EOFError("it ended before its end marker")


def _fill(view: memoryview, data: bytes) -> int:
    view[: len(data)] = data
    return len(data)
