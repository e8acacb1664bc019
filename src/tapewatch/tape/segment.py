"""A tape in one append-only file: for feeds that cannot be read again, so that a crash loses nothing of them.

Layout, little-endian: a header (magic, 16 bytes of identity), then frames, one an append: magic, number of messages,
bytes of the body, CRC-32 over the rest, append time, first offset; the body has the lengths (uint32), then the
messages. A frame is there wholly or not at all: what a crash left of the last one is cut off when the file is opened.
The committed offset stands in a file beside it, replaced at each commit.
"""

import fcntl
import os
import struct
import threading
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from tapewatch.model.errors import GiveUpError, InputError, RetryableError
from tapewatch.tape.memory import check_offset, messages_within
from tapewatch.tape.port import RawBatch

Fsync = Literal["append", "commit", "never"]
"""When data is forced to the disk: at each append (nothing is lost when the power fails), at each commit, or when the
operating system likes (nothing is lost when only the process dies)."""

_MAGIC = b"TWTAPE01"
_HEADER_BYTES = len(_MAGIC) + 16
_FRAME = struct.Struct("<4sIIIqq")
_FRAME_MAGIC = b"TWfr"
_CRC_FROM = 16  # the CRC covers the header from the append time on, the counts before it, and the body


class SegmentTape:
    """A `Tape` in a file. One process writes it at a time: a lock sees to that.

    Opening reads the whole file once to check it (about 1 GB/s). Raises InputError for a file that is not a tape or
    that another process has open, GiveUpError where a frame in the middle is damaged: nothing is cut off there.
    """

    def __init__(self, path: Path, new_identity: Callable[[], bytes], fsync: Fsync = "commit") -> None:
        """`new_identity` gives 16 random bytes; it is asked only where the file is new."""
        self._path, self._fsync = path, fsync
        self._lock = threading.Lock()
        self._first_offsets, self._positions = array("q"), array("q")
        self._end = 0
        self.cut_bytes = 0
        """Bytes of an unfinished frame that were cut off at opening."""
        with _reported(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                self._take_lock()
                self._identity = self._read_header(new_identity)
                self._size = self._scan()
                self._committed = self._read_committed()
            except BaseException:
                os.close(self._file)
                raise

    @property
    def identity(self) -> str:
        """32 hex digits, drawn when the file was made."""
        return self._identity

    @property
    def committed(self) -> int:
        return self._committed

    def append(self, messages: Sequence[bytes], ts_append_ns: int) -> int:
        if not messages:
            return self._end
        lengths = np.fromiter(map(len, messages), "<u4", len(messages)).tobytes()
        body = lengths + b"".join(messages)
        with self._lock, _reported(self._path):
            frame = _frame(len(messages), body, ts_append_ns, self._end)
            try:
                _write_all(self._file, frame, self._size)
                if self._fsync == "append":
                    os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, self._size)
                raise
            self._first_offsets.append(self._end)
            self._positions.append(self._size)
            self._size += len(frame)
            self._end += len(messages)
            return self._end

    def read(self, start: int, max_messages: int = 100_000, max_bytes: int = 8 << 20) -> RawBatch:
        with self._lock:
            check_offset(start, self._end)
            end = min(start + max_messages, self._end)
            first = max(bisect_right(self._first_offsets, start) - 1, 0)
            last = bisect_right(self._first_offsets, end - 1)
            positions = self._positions[first:last] if start < end else array("q")
        parts: list[bytes] = []
        lengths, appended, size, at = [], [], 0, start
        for position in positions:
            body, count, ts_append_ns, first_offset = self._frame_at(position)
            sizes = np.frombuffer(body, "<u4", count).astype(np.int64)
            edges = np.concatenate([[0], np.cumsum(sizes)]) + 4 * count
            low, high = at - first_offset, min(count, end - first_offset)
            taken = messages_within(edges[low : high + 1], max_bytes - size)
            if parts and edges[low + taken] - edges[low] + size > max_bytes:
                break
            parts.append(body[edges[low] : edges[low + taken]])
            lengths.append(sizes[low : low + taken])
            appended.append(np.full(taken, ts_append_ns, np.int64))
            size, at = size + len(parts[-1]), at + taken
            if low + taken < high:
                break
        starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]) if lengths else np.zeros(1)
        return RawBatch(
            data=b"".join(parts),
            starts=starts.astype(np.int64),
            offsets=np.arange(start, at, dtype=np.int64),
            ts_append_ns=np.concatenate(appended) if appended else np.empty(0, np.int64),
            start=start,
            end=at,
        )

    def commit(self, offset: int) -> None:
        with self._lock, _reported(self._path):
            check_offset(offset, self._end)
            if self._fsync != "never":
                os.fsync(self._file)
            aside = self._committed_path().with_suffix(".new")
            with aside.open("w") as file:
                file.write(f"{self._identity} {offset}\n")
                if self._fsync != "never":
                    file.flush()
                    os.fsync(file.fileno())
            aside.replace(self._committed_path())
            self._committed = offset

    def close(self) -> None:
        """Force everything to the disk and give the lock back. Reading and appending end here."""
        with self._lock:
            os.fsync(self._file)
            os.close(self._file)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{self._path}: another process has this tape open") from None

    def _read_header(self, new_identity: Callable[[], bytes]) -> str:
        header = os.pread(self._file, _HEADER_BYTES, 0)
        if len(header) < _HEADER_BYTES and _MAGIC.startswith(header[: len(_MAGIC)]):
            header = _MAGIC + new_identity()  # a new file, or one whose making was interrupted
            os.ftruncate(self._file, 0)
            _write_all(self._file, header, 0)
            os.fsync(self._file)
        if len(header) != _HEADER_BYTES or not header.startswith(_MAGIC):
            raise InputError(f"{self._path}: is not a tape of tapewatch")
        return header[len(_MAGIC) :].hex()

    def _scan(self) -> int:
        """Check every frame, fill the index, cut the torn tail; return the size of what is whole."""
        size, at = os.fstat(self._file).st_size, _HEADER_BYTES
        while at < size:
            count = self._whole_frame(at, size)
            if count is None:
                break
            self._first_offsets.append(self._end)
            self._positions.append(at)
            self._end += count[0]
            at += count[1]
        if at < size:
            self._refuse_damage(at, size)
            self.cut_bytes = size - at
            os.ftruncate(self._file, at)
        return at

    def _whole_frame(self, at: int, size: int) -> tuple[int, int] | None:
        """Number of messages and bytes of the frame at a position; None where no whole one stands there."""
        header = os.pread(self._file, _FRAME.size, at)
        if len(header) < _FRAME.size:
            return None
        magic, count, body_bytes, crc, _, first_offset = _FRAME.unpack(header)
        if magic != _FRAME_MAGIC or first_offset != self._end or at + _FRAME.size + body_bytes > size:
            return None
        body = os.pread(self._file, body_bytes, at + _FRAME.size)
        return (count, _FRAME.size + body_bytes) if _crc(header, body) == crc else None

    def _refuse_damage(self, at: int, size: int) -> None:
        """A torn tail is the last thing in a file. A later frame means that something in the middle is damaged."""
        rest = os.pread(self._file, size - at, at)
        found = rest.find(_FRAME_MAGIC, 1)
        while found >= 0:
            header = rest[found : found + _FRAME.size]
            if len(header) == _FRAME.size:
                _, _, body_bytes, crc, _, _ = _FRAME.unpack(header)
                body = rest[found + _FRAME.size : found + _FRAME.size + body_bytes]
                if len(body) == body_bytes and _crc(header, body) == crc:
                    raise GiveUpError(f"{self._path}: damaged at byte {at}, with whole records after it; restore it")
            found = rest.find(_FRAME_MAGIC, found + 1)

    def _frame_at(self, position: int) -> tuple[bytes, int, int, int]:
        with _reported(self._path):
            header = os.pread(self._file, _FRAME.size, position)
            _, count, body_bytes, crc, ts_append_ns, first_offset = _FRAME.unpack(header)
            body = os.pread(self._file, body_bytes, position + _FRAME.size)
        if _crc(header, body) != crc:
            raise GiveUpError(f"{self._path}: damaged at byte {position}; restore it")
        return body, count, ts_append_ns, first_offset

    def _committed_path(self) -> Path:
        return self._path.with_name(self._path.name + ".committed")

    def _read_committed(self) -> int:
        path = self._committed_path()
        if not path.exists():
            return 0
        identity, _, offset = path.read_text().strip().partition(" ")
        if not offset.isdigit():
            raise GiveUpError(f"{path}: does not hold an offset; restore or delete it")
        return min(int(offset), self._end) if identity == self._identity else 0


def _frame(count: int, body: bytes, ts_append_ns: int, first_offset: int) -> bytes:
    header = _FRAME.pack(_FRAME_MAGIC, count, len(body), 0, ts_append_ns, first_offset)
    return _FRAME.pack(_FRAME_MAGIC, count, len(body), _crc(header, body), ts_append_ns, first_offset) + body


def _crc(header: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(header[:12] + header[_CRC_FROM:]))


def _write_all(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: its folder does not exist") from None
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except OSError as error:
        raise RetryableError(f"{path}: {error.strerror or error}") from error
