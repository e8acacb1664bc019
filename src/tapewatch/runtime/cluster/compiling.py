"""One process of a machine compiles at a time, and the others find its work in the cache."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tapewatch.detection.kernel import cache_root

LONGEST_S = 120.0
"""How long one waits for the turn of another process: it may be stopped, or slower than compiling it all here."""
_AGAIN_S = 0.1


@contextmanager
def one_at_a_time(longest_s: float = LONGEST_S) -> Iterator[None]:
    """Hold this machine's turn to compile, if it can be had in time; without it the same is compiled more than once."""
    try:
        folder = cache_root()
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "compiling").open("wb")
    except OSError:  # a cache that cannot be written: nobody could find our work
        yield
        return
    with file:  # closing it gives the turn back, as the end of the process does
        give_up = time.monotonic() + longest_s
        while not _taken(file) and time.monotonic() < give_up:
            time.sleep(_AGAIN_S)
        yield


def _taken(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return True  # everybody compiles for itself there
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
