"""How a process of the cluster is run and looked at: its parts on threads, `/metrics`, `/healthz` and `/readyz`."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType, TracebackType

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from tapewatch.model.errors import InputError, TapewatchError
from tapewatch.runtime.config.sinks import OpsSection

_log = logging.getLogger(__name__)
Check = Callable[[], str | None]
"""Returns None, or why the process cannot do its work now, in words fit for a user."""
Part = Callable[[threading.Event], None]
"""Works until the event is set."""


class OpsServer:
    """Serves figures and readiness of one process from threads of its own. A context manager."""

    def __init__(self, settings: OpsSection, registry: CollectorRegistry, checks: Mapping[str, Check]) -> None:
        """Listens at once where the settings name a port. InputError where that cannot be."""
        self._server: ThreadingHTTPServer | None = None
        if settings.port is None:
            return
        handler = _handler(registry, checks)
        try:
            self._server = ThreadingHTTPServer((settings.host, settings.port), handler)
        except OSError as error:
            raise InputError(f"ops: cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
        self._server.daemon_threads = True

    @property
    def port(self) -> int | None:
        """Where it listens; None where it does not."""
        return None if self._server is None else int(self._server.server_address[1])

    def __enter__(self) -> "OpsServer":
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="ops", daemon=True).start()
            _log.info("metrics and readiness are served", extra={"port": self.port})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def readiness(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """The outcome of each check; one that raises fails with its error."""
    found: dict[str, str | None] = {}
    for name, check in checks.items():
        try:
            found[name] = check()
        except TapewatchError as error:
            found[name] = str(error)
    return found


def run_parts(parts: Mapping[str, Part], stop: threading.Event | None = None) -> None:
    """Run each part on a thread until SIGTERM or SIGINT, or until one part fails, whose error is then raised.

    Every part is told to stop and waited for: what was begun is finished. Call it on the main thread.
    """
    stop = stop or threading.Event()
    failed: list[BaseException] = []

    def guarded(name: str, part: Part) -> None:
        try:
            part(stop)
        except BaseException as error:  # noqa: BLE001 - a dead part ends the process instead of going unnoticed
            _log.error("%s ended: %s", name, error)
            failed.append(error)
        finally:
            stop.set()

    def on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's signature
        _log.info("stopping: finishing what was begun")
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    threads = [threading.Thread(target=guarded, args=item, name=item[0], daemon=True) for item in parts.items()]
    try:
        for thread in threads:
            thread.start()
        while not stop.wait(0.5):
            pass
        for thread in threads:
            thread.join()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if failed:
        raise failed[0]


def _handler(registry: CollectorRegistry, checks: Mapping[str, Check]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4)
            elif path == "/healthz":
                self._answer(200, b'{"status":"ok"}')
            elif path == "/readyz":
                found = readiness(checks)
                bad = sorted(name for name, why in found.items() if why is not None)
                body = {"status": f"not ready: {', '.join(bad)}" if bad else "ready", "checks": found}
                self._answer(503 if bad else 200, msgspec.json.encode(body))
            else:
                self._answer(404, b'{"status":"there are /metrics, /healthz and /readyz"}')

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            _log.debug(format, *args)

    return Handler
