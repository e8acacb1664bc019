"""Names that several venues of a shard list: what may be compared across venues at a minute's end."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.instruments import Instrument

NAME_PARTS = 4
_BYTES = 6  # of a name in one part: an integer that a float64 holds
WIDTH = 2 + NAME_PARTS
NOBODY: NDArray[np.int64] = np.zeros((0, WIDTH), np.int64)


def packed(name: str) -> list[int]:
    """A venue's name as `NAME_PARTS` integers that fit into a float64: its first 24 bytes in UTF-8. An episode's row
    keeps numbers only, and what it keeps may not depend on who else is in the shard, as an index would.

    >>> packed("XNAS")
    [1396788824, 0, 0, 0]
    """
    data = name.encode()[: _BYTES * NAME_PARTS]
    return [int.from_bytes(data[at : at + _BYTES], "little") for at in range(0, _BYTES * NAME_PARTS, _BYTES)]


def unpacked(parts: Iterable[float]) -> str:
    """The name again.

    >>> unpacked(packed("coinbaseinternational"))
    'coinbaseinternational'
    """
    data = b"".join(int(part).to_bytes(_BYTES, "little") for part in parts)
    return data.rstrip(b"\0").decode(errors="ignore")


def peers(instruments: Sequence[Instrument], name_of: Callable[[Instrument], tuple[str, str]]) -> NDArray[np.int64]:
    """The instruments (their places are slots) whose name and money, `name_of`, another venue has too: rows (n, WIDTH)
    of the slot, the end of its name's rows, and the packed venue; sorted by name, then by venue."""

    def name(slot: int) -> tuple[str, str]:
        return name_of(instruments[slot])

    rows: list[list[int]] = []
    for _, slots in groupby(sorted(range(len(instruments)), key=lambda s: (name(s), instruments[s])), name):
        found = list(slots)
        if len({instruments[s].venue for s in found}) > 1:
            end = len(rows) + len(found)
            rows += [[slot, end, *packed(instruments[slot].venue)] for slot in found]
    return np.array(rows, np.int64) if rows else NOBODY
