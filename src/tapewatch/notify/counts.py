"""How many notices met which fate, for /metrics."""

import threading
from collections import Counter
from collections.abc import Iterable

_OF_CHANNEL = ("owed", "delivered", "retried", "dead")


class Counts:
    """Counters by name and labels; may be raised from several threads.

    `("owed", channel)`, `("delivered", channel)`, `("retried", channel)`, `("dead", channel)`,
    `("suppressed", channel, why)` with why one of silence, inhibition, group; `("unrouted",)`; `("ledger_busy",)`.
    """

    def __init__(self, channels: Iterable[str] = ()) -> None:
        """What can happen to any notice of `channels` is there from the start: an alarm sees no first one otherwise."""
        self._lock = threading.Lock()
        self._counter = Counter[tuple[str, ...]]({(what, name): 0 for name in channels for what in _OF_CHANNEL})

    def add(self, *key: str) -> None:
        """One more."""
        with self._lock:
            self._counter[key] += 1

    def snapshot(self) -> dict[tuple[str, ...], int]:
        """All counters as they are now."""
        with self._lock:
            return dict(self._counter)
