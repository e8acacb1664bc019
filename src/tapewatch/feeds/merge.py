"""Several ordered streams as one, in bounded memory: the k-way merge of whole chunks.

A stream's key is the running maximum of its acting times, so that its own order is kept and late rows stay late. Rows
of equal key come in the order of the streams. A stream is opened only when the merge reaches its first key, so that
the files of twelve months are open one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.csv_rows import Rows
from tapewatch.feeds.heartbeats import NO_TIME


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that can be opened; `first_key` is at most the key of its first row."""

    first_key: int
    open: Callable[[], Iterator[Rows]]


def merge(streams: Sequence[Stream]) -> Iterator[Rows]:
    """All rows of all streams in the order (key, stream, row); at most about two chunks of each open one in memory."""
    if len(streams) == 1:
        yield from streams[0].open()
        return
    waiting = sorted(range(len(streams)), key=lambda i: (streams[i].first_key, i), reverse=True)
    cursors: dict[int, _Cursor] = {}
    while waiting or cursors:
        reach = min((c.last_key for c in cursors.values()), default=None)
        while waiting and (reach is None or streams[waiting[-1]].first_key <= reach):
            number = waiting.pop()
            cursor = _Cursor(streams[number].open())
            if cursor.fill():
                cursors[number] = cursor
                reach = cursor.last_key if reach is None else min(reach, cursor.last_key)
        if not cursors:
            continue
        bound, owner = min((c.last_key, n) for n, c in cursors.items())
        taken = [(c, c.take(bound, inclusive=n <= owner)) for n, c in sorted(cursors.items())]
        parts = [(c.keys(count), c.pop(count)) for c, count in taken if count]
        yield _interleave(parts)
        if not cursors[owner].fill():
            del cursors[owner]


class _Cursor:
    """The chunk of one stream that the merge stands in."""

    def __init__(self, chunks: Iterator[Rows]) -> None:
        self._chunks = chunks
        self._rows: Rows | None = None
        self._keys: NDArray[np.int64] = np.empty(0, np.int64)
        self._at = 0
        self._highest: int = NO_TIME

    @property
    def last_key(self) -> int:
        return int(self._keys[-1])

    def fill(self) -> bool:
        """Get the next chunk once this one is used up; False where the stream has ended."""
        for rows in self._chunks:
            if rows.acting_ns.size:
                self._keys = np.maximum(np.maximum.accumulate(rows.acting_ns), self._highest)
                self._rows, self._at, self._highest = rows, 0, int(self._keys[-1])
                return True
        return False

    def take(self, bound: int, *, inclusive: bool) -> int:
        """How many rows from here are below the bound (or at it, where inclusive)."""
        return int(np.searchsorted(self._keys, bound, side="right" if inclusive else "left")) - self._at

    def keys(self, count: int) -> NDArray[np.int64]:
        return self._keys[self._at : self._at + count]

    def pop(self, count: int) -> Rows:
        assert self._rows is not None
        rows, start, stop = self._rows, self._at, self._at + count
        self._at = stop
        faults = tuple(replace(f, row=f.row - start) for f in rows.faults if start <= f.row < stop)
        columns = {name: column[start:stop] for name, column in rows.columns.items()}
        return Rows(columns, rows.acting_ns[start:stop], faults)


def _interleave(parts: list[tuple[NDArray[np.int64], Rows]]) -> Rows:
    if len(parts) == 1:
        return parts[0][1]
    order = np.argsort(np.concatenate([keys for keys, _ in parts]), kind="stable")
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    faults, start = [], 0
    for keys, rows in parts:
        faults += [replace(f, row=int(place[start + f.row])) for f in rows.faults]
        start += keys.size
    names = parts[0][1].columns
    columns = {name: np.concatenate([rows.columns[name] for _, rows in parts])[order] for name in names}
    acting = np.concatenate([rows.acting_ns for _, rows in parts])[order]
    return Rows(columns, acting, tuple(sorted(faults, key=lambda f: f.row)))
