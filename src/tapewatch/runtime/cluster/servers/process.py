"""A server as a plain process: started, watched until it answers, ended by its id, and never left behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tapewatch.runtime.cluster.servers.account import Account
from tapewatch.runtime.cluster.servers.errors import ServerFailedError

TAIL_BYTES = 3000
_POLL_S = 0.05
# Waits for the end of its standard input, which is the end of whoever started the server, however that came about.
_KEEPER = 'read -r _; kill -9 "-$1"'


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started, and how one sees that it serves."""

    name: str
    command: Sequence[str]
    folder: Path
    answers: Callable[[], bool]
    timeout_s: float
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None  # None: whoever we are

    @property
    def log(self) -> Path:
        """Where standard output and error go, appended."""
        return self.folder / f"{self.name}.log"


class Running:
    """A server that answered when this was made; `address` is what its clients take.

    It lives in a process group of its own, so that Ctrl-C reaches only us, and ends when this process ends, even by
    SIGKILL. Methods are for one thread at a time.
    """

    def __init__(self, address: str, port: int, launch: Launch) -> None:
        self.address = address
        self.port = port
        self.name = launch.name
        self.folder = launch.folder
        self.log = launch.log
        self._launch = launch
        self._up()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End it in good order; by force where that takes longer than `timeout_s`. No harm where it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.send_signal(signal.SIGCONT)  # one that is paused hears nothing
            with contextlib.suppress(subprocess.TimeoutExpired):  # what follows ends it
                self.process.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to it and its children: what a crash looks like. Returns when it is gone."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        self._keeper.kill()
        self._keeper.wait()
        if self._keeper.stdin:
            self._keeper.stdin.close()

    def restart(self) -> None:
        """Start it again on the same port and folder, ending it first where it runs; returns when it answers."""
        self.stop()
        self._up()

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self._signal(signal.SIGCONT)

    @property
    def alive(self) -> bool:
        """Whether the process exists."""
        return self.process.poll() is None

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{self.name} {self.address} pid {self.process.pid}{'' if self.alive else ' (ended)'}>"

    def _up(self) -> None:
        log_start = self.log.stat().st_size if self.log.exists() else 0
        self.process = _spawn(self._launch)
        self._keeper = subprocess.Popen(  # noqa: S603 - our own command
            ["/bin/sh", "-c", _KEEPER, "keeper", str(self.process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            self._wait_until_it_answers(log_start)
        except BaseException:
            self.kill()
            raise

    def _wait_until_it_answers(self, log_start: int) -> None:
        launch = self._launch
        give_up = time.monotonic() + launch.timeout_s
        while not launch.answers():
            status = self.process.poll()
            if status is not None:
                raise ServerFailedError(self.name, f"ended with status {status}", self.log, _tail(self.log, log_start))
            if time.monotonic() > give_up:
                what = f"did not answer at {self.address} within {launch.timeout_s:g} s"
                raise ServerFailedError(self.name, what, self.log, _tail(self.log, log_start))
            time.sleep(_POLL_S)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # all of the group have ended
            os.killpg(self.process.pid, number)


def _spawn(launch: Launch) -> "subprocess.Popen[bytes]":
    account = launch.account
    with launch.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own command
            launch.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=launch.folder,
            env={**os.environ, **launch.environment},
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - TAIL_BYTES))
        return file.read().decode(errors="replace")
