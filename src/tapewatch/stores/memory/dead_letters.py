"""Records that could not be read, in memory."""

import threading
from collections.abc import Sequence

from tapewatch.model.ticks import DeadLetter


class MemoryDeadLetterStore:
    """A `DeadLetterStore` in this process's memory; of more than `keep` the first are kept, the others only counted (by
    the pipeline, as fates)."""

    def __init__(self, keep: int | None = None) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._letters: dict[tuple[str, int, str], DeadLetter] = {}

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """As the port says."""
        with self._lock:
            for letter in letters:
                if self._keep is None or len(self._letters) < self._keep:
                    self._letters.setdefault((letter.source, letter.offset, letter.raw), letter)

    def dead_letters(self, after: int, limit: int) -> list[tuple[int, DeadLetter]]:
        """As the port says; numbered from 1."""
        with self._lock:
            numbered = list(enumerate(self._letters.values(), start=1))
        return numbered[max(after, 0) : max(after, 0) + max(limit, 0)]
