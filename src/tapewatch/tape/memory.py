"""A tape in memory, for tests and for feeds that need no durability."""

import threading
from array import array
from collections.abc import Sequence

import numpy as np

from tapewatch.model.errors import InputError
from tapewatch.tape.port import RawBatch


class MemoryTape:
    """A `Tape` that ends with the process."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._appended_ns = array("q")
        self._committed = 0
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """Empty: it cannot be read again by another process."""
        return ""

    @property
    def committed(self) -> int:
        return self._committed

    def append(self, messages: Sequence[bytes], ts_append_ns: int) -> int:
        with self._lock:
            self._messages.extend(messages)
            self._appended_ns.extend([ts_append_ns] * len(messages))
            return len(self._messages)

    def read(self, start: int, max_messages: int = 100_000, max_bytes: int = 8 << 20) -> RawBatch:
        with self._lock:
            check_offset(start, len(self._messages))
            taken = self._messages[start : start + max_messages]
            appended = self._appended_ns[start : start + max_messages]
        starts = np.zeros(len(taken) + 1, np.int64)
        np.cumsum([len(m) for m in taken], out=starts[1:])
        count = messages_within(starts, max_bytes)
        return RawBatch(
            data=b"".join(taken[:count]),
            starts=starts[: count + 1],
            offsets=np.arange(start, start + count, dtype=np.int64),
            ts_append_ns=np.array(appended[:count], np.int64),
            start=start,
            end=start + count,
        )

    def commit(self, offset: int) -> None:
        with self._lock:
            check_offset(offset, len(self._messages))
            self._committed = offset


def check_offset(offset: int, end: int) -> None:
    """InputError where there is no such position in a log that ends at `end`."""
    if not 0 <= offset <= end:
        raise InputError(f"offset {offset} is outside of the tape, which ends at {end}")


def messages_within(starts: np.ndarray[tuple[int], np.dtype[np.int64]], max_bytes: int) -> int:
    """How many of these messages fit into so many bytes; one at least, if there is one."""
    count = int(np.searchsorted(starts, starts[0] + max_bytes, side="right")) - 1
    return min(max(count, 1), starts.size - 1)
