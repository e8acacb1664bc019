"""Looks at the servers that a process depends on from a thread of its own, so that whoever asks is answered at once."""

import time
from collections.abc import Callable, Mapping
from threading import Event, Lock

from tapewatch.model.errors import TapewatchError

EVERY_S = 2.0
_STALE_S = 30.0


class HealthProbe:
    """The newest outcome of each look. `look` returns if the server answers and can work, and raises if not."""

    def __init__(
        self, looks: Mapping[str, Callable[[], object]], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._looks, self._clock_s, self._lock = dict(looks), clock_s, Lock()
        self._found: dict[str, tuple[float, str | None]] = {}

    def run(self, name: str, stop: Event) -> None:
        """Look at one server until `stop` is set: a server that hangs delays the news of itself only."""
        while not stop.is_set():
            self.look(name)
            stop.wait(EVERY_S)

    def look(self, name: str) -> None:
        """Look once, now."""
        began = self._clock_s()
        with self._lock:  # while it is looked at, for how long there has been no answer shows
            self._found.setdefault(name, (began, "not looked at yet"))
        why: str | None = None
        try:
            self._looks[name]()
        except TapewatchError as error:
            why = str(error)
        with self._lock:
            self._found[name] = self._clock_s(), why

    def check(self, name: str) -> str | None:
        """None, or why the server cannot be used."""
        with self._lock:
            at, why = self._found.get(name, (self._clock_s(), "not looked at yet"))
        if why is None and self._clock_s() - at > _STALE_S:
            return f"no answer for {self._clock_s() - at:.0f} s"
        return why

    def checks(self) -> dict[str, Callable[[], str | None]]:
        """A check a server, for `/readyz`."""
        return {name: _check(self, name) for name in self._looks}


def _check(probe: HealthProbe, name: str) -> Callable[[], str | None]:
    return lambda: probe.check(name)
