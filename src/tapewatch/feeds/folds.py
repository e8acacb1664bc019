"""The hour that comes twice: which pass a naive local time belongs to, told by the order of the rows."""

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.zones import LocalReading

Rows = NDArray[np.bool_]
_STEP_NS = 60_000_000_000  # a smaller step back is jitter between rows, not a clock that was put back


class FoldTracker:
    """Follows one file. An ambiguous time belongs to the earlier pass until the clock goes back by a minute or more.

    It goes back for a symbol (against that symbol's highest time in the pass) and then for every symbol that has not
    been seen in this hour yet. A row from before the hour starts all over: the next symbol's part of the file. Bars as
    long as the hour or longer come twice with equal times: `repeats` tells. Only ambiguous rows cost Python time.
    """

    def __init__(self) -> None:
        self._hour_ns: int | None = None  # the first local time of the ambiguous hour that is followed
        self._later_for_new = False
        self._passes: dict[int, tuple[bool, int]] = {}  # symbol -> in the later pass, highest time of it

    def later(
        self, local_ns: NDArray[np.int64], reading: LocalReading, symbols: NDArray[np.int32], repeats: bool
    ) -> Rows:
        """Which of these rows belong to the later pass."""
        chosen = np.zeros(local_ns.shape, np.bool_)
        if reading.hour_ns is None or reading.later_by_ns is None:
            self._skip(local_ns)
            return chosen
        previous = 0
        for i in np.flatnonzero(reading.later_by_ns):
            self._skip(local_ns[previous:i])
            self._enter(int(reading.hour_ns[i]))
            chosen[i] = self._judge(int(local_ns[i]), int(symbols[i]), repeats)
            previous = int(i) + 1
        self._skip(local_ns[previous:])
        return chosen

    def _skip(self, plain_ns: NDArray[np.int64]) -> None:
        if self._hour_ns is not None and plain_ns.size and int(plain_ns.min()) < self._hour_ns:
            self._hour_ns = None

    def _enter(self, hour_ns: int) -> None:
        if hour_ns == self._hour_ns:
            return
        self._hour_ns, self._later_for_new, self._passes = hour_ns, False, {}

    def _judge(self, at_ns: int, symbol: int, repeats: bool) -> bool:
        later, highest = self._passes.get(symbol, (self._later_for_new, at_ns))
        back = highest - at_ns
        if not later and (back >= _STEP_NS or (repeats and symbol in self._passes and back == 0)):
            later, highest = True, at_ns
            self._later_for_new = True
        self._passes[symbol] = (later, max(highest, at_ns))
        return later
