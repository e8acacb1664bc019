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


class _Over(io.RawIOBase):
    """A stream made from another one. Without a buffer, and so without its lock: a thread that waits in one at the end
    aborts the process."""

    def __init__(self, source: BinaryIO | io.RawIOBase) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._source.fileno()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._some(len(view))
        view[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        """As `read_some`."""
        raise NotImplementedError


class _Begun(_Over):
    """A stream of which the first bytes, `start`, were read already."""

    def __init__(self, start: bytes, source: BinaryIO) -> None:
        super().__init__(source)
        self._start = start

    def _some(self, size: int) -> bytes:
        data = self._start or read_some(self._source, size)
        self._start = data[size:]
        return data[:size]


class _Gunzip(_Over):
    """What is packed in `source`: one gzip member or several."""

    def __init__(self, source: io.RawIOBase) -> None:
        super().__init__(source)
        self._member = zlib.decompressobj(_WBITS)
        self._packed = b""

    def _some(self, size: int) -> bytes:
        while True:
            if self._member.eof:
                self._packed = (self._member.unused_data or read_some(self._source, _PIECE_BYTES)).lstrip(b"\0")
                if not self._packed:
                    return b""
                self._member = zlib.decompressobj(_WBITS)
            data = self._member.decompress(self._packed, size)
            self._packed = self._member.unconsumed_tail
            if data:
                return data
            if not self._packed and not self._member.eof:
                self._packed = read_some(self._source, _PIECE_BYTES)
                if not self._packed:
                    raise EOFError("it ended before its end marker")
