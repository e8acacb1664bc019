"""Records that could not be read, in memory."""

import threading
from collections.abc import Sequence

from tapewatch.model.ticks import DeadLetter


class MemoryDeadLetterStore:
    """A `DeadLetterStore` in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._letters: dict[tuple[str, int], DeadLetter] = {}

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """As the port says."""
        with self._lock:
            for letter in letters:
                self._letters.setdefault((letter.source, letter.offset), letter)

    def dead_letters(self, after: int, limit: int) -> list[tuple[int, DeadLetter]]:
        """As the port says; numbered from 1."""
        with self._lock:
            numbered = list(enumerate(self._letters.values(), start=1))
        return numbered[max(after, 0) : max(after, 0) + max(limit, 0)]
