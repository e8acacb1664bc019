"""A process that is started again when it dies, and what one can say of it meanwhile."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tapewatch.model.errors import TapewatchError
from tapewatch.runtime.cluster.servers import Running

State = Literal["waiting", "starting", "up", "dead", "ended", "failed", "stopped"]
_LOOK_S = 0.2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
_PATIENCE_S = 5.0
_STEADY_S = 60.0  # who lived so long starts without a pause


@dataclass(frozen=True, slots=True)
class Seen:
    """A process at one moment. `restarts` counts the times that it died and was started again; `note` says why it is
    not up."""

    name: str
    state: State
    pid: int | None
    restarts: int
    up_s: float
    note: str


class Watched:
    """One process on a thread of its own. `start` makes it and returns when it answers.

    A process that ends is started again after a pause that doubles with each early death; one that may end (`once`) and
    does with exit code 0 is left at that. A first start that raises ends the watch: state `failed`, `error` has it.
    """

    def __init__(self, name: str, start: Callable[[], Running], *, once: bool = False) -> None:
        self.name, self._start, self._once = name, start, once
        self.error: TapewatchError | OSError | None = None
        self.running: Running | None = None
        self._state: State = "waiting"
        self._restarts, self._since, self._note = 0, time.monotonic(), ""
        self._stop, self._up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    def begin(self) -> None:
        """Start it, without waiting."""
        self._become("starting")
        self._thread.start()

    def wait_up(self, timeout_s: float) -> bool:
        """Whether it came up, waiting for it; False where it failed or the time was over."""
        return self._up.wait(timeout_s) and self.error is None

    def end(self) -> None:
        """Stop watching and end the process in good order; returns when it is gone. No harm before `begin`.

        One that is still being started (a download may take minutes) is waited for a little; what it starts later ends
        with this process."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE_S if self.running is None else None)

    def seen(self) -> Seen:
        """What can be said of it now."""
        running = self.running
        pid = running.process.pid if running is not None and running.alive else None
        return Seen(self.name, self._state, pid, self._restarts, time.monotonic() - self._since, self._note)

    def _watch(self) -> None:
        try:
            self.running = self._start()
        except (TapewatchError, OSError) as error:
            self.error = error
            self._become("failed", str(error))
            self._up.set()
            return
        self._become("up")
        self._up.set()
        try:
            self._keep(self.running)
        finally:
            self.running.stop()
            if self._state != "ended":
                self._become("stopped")

    def _keep(self, running: Running) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.wait(_LOOK_S):
            if running.alive:
                continue
            code = running.process.returncode
            if self._once and code == 0:
                self._become("ended")
                return
            lived_s = time.monotonic() - self._since
            pause_s = _FIRST_PAUSE_S if lived_s > _STEADY_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            self._become("dead", f"{_how(code)}; see {running.log}")
            if self._stop.wait(pause_s):
                return
            self._restarts += 1
            self._again(running)

    def _again(self, running: Running) -> None:
        try:
            running.restart()
        except (TapewatchError, OSError) as error:  # seen on the screen, tried again at the next look
            self._become("dead", str(error))
        else:
            self._become("up", self._note)

    def _become(self, state: State, note: str = "") -> None:
        self._state, self._note, self._since = state, note, time.monotonic()


def _how(code: int | None) -> str:
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
