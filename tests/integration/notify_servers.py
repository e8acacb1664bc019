"""Servers on loopback that do what the tests tell them: mail (aiosmtpd), and anything that speaks TCP, badly."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

CERTIFICATE = Path(__file__).parent / "tls" / "localhost.pem"
KEY = CERTIFICATE.with_suffix(".key")


def server_tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context


class Mailbox:
    """aiosmtpd's handler: keeps what it gets; `answers` overrides what it says to RCPT and DATA."""

    def __init__(self, rcpt: str = "250 OK", data: str = "250 taken", drop_after_data: bool = False) -> None:
        self.rcpt, self.data, self.drop_after_data = rcpt, data, drop_after_data
        self.messages: list[tuple[list[str], bytes, bool]] = []  # recipients, content, over TLS

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.data.startswith("250"):
            self.messages.append((list(envelope.rcpt_tos), envelope.content, session.ssl is not None))
        if self.drop_after_data:
            server.transport.abort()
        return self.data


class MailServer:
    """aiosmtpd on a port that the system chooses."""

    def __init__(self, box: Mailbox, *, implicit: bool = False, password: str | None = None, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()

        def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
            good = isinstance(data, LoginPassword) and data.password == (password or "").encode()
            return AuthResult(success=good, handled=False)

        if password is not None:
            options |= {"authenticator": check, "auth_required": True, "auth_require_tls": not implicit}
        factory = lambda: SMTP(box, loop=self._loop, hostname="test", **options)  # noqa: E731 - asyncio wants a factory
        self._server = self._loop.run_until_complete(
            self._loop.create_server(factory, "127.0.0.1", 0, ssl=server_tls() if implicit else None)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        sessions = asyncio.all_tasks() - {asyncio.current_task()}
        for session in sessions:
            if session is not None:
                session.cancel()
        await asyncio.sleep(0)


Script = Callable[[socket.socket, bytes], None]


class TcpServer:
    """Gives each connection to `script` with what came first (an HTTP request with its body; nothing if `talks_first`).

    `requests` keeps what came. With `tls`, the connection is secured first.
    """

    def __init__(self, script: Script, *, talks_first: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self._script, self._talks_first, self._tls = script, talks_first, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.released = threading.Event()  # what a hanging script waits for
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:  # a client that hangs up is what many tests are about
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            request = b"" if self._talks_first else read_request(connection)
            self.requests.append(request)
            self._script(connection, request)


def read_request(connection: socket.socket) -> bytes:
    """One HTTP request with its body; nothing of one that was cut off."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65_536)
        if not part:
            return b""
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        part = connection.recv(65_536)
        if not part:
            return b""
        body += part
    return head + b"\r\n\r\n" + body


def answer(status: str, *headers: str, body: bytes = b"") -> Script:
    """A script that answers so, and closes."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""])

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(head.encode() + body)

    return script
