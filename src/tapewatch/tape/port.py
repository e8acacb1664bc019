"""The port of the log: an ordered sequence of messages from which everything else can be rebuilt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RawBatch:
    """n messages as one buffer: no object a message.

    Message i is `data[starts[i]:starts[i + 1]]` (`starts` has n + 1 entries), stands at `offsets[i]` and was appended
    at `ts_append_ns[i]`. `start` is the position read from, `end` the position to read from next.
    """

    data: bytes
    starts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    ts_append_ns: NDArray[np.int64]
    start: int
    end: int

    def __len__(self) -> int:
        return int(self.offsets.size)


class Tape(Protocol):
    """One shard's log. One writer and any number of readers, in several threads."""

    @property
    def identity(self) -> str:
        """Names this log: never the same for two logs. Empty where the log ends with the process."""
        ...

    @property
    def committed(self) -> int:
        """The offset committed last; 0 at first."""
        ...

    def append(self, messages: Sequence[bytes], ts_append_ns: int) -> int:
        """Append all messages or none; return the end of the log (the last offset + 1).

        Raises RetryableError where the log cannot be written now.
        """
        ...

    def read(self, start: int, max_messages: int = 100_000, max_bytes: int = 8 << 20) -> RawBatch:
        """The messages from `start` on: at most so many of them and so many bytes, but one at least if there is one.

        Empty at the end of the log, without waiting. Raises InputError for a start outside of [0, end].
        """
        ...

    def commit(self, offset: int) -> None:
        """Note that everything below `offset` is dealt with. Raises InputError for an offset outside of [0, end]."""
        ...
