"""A connection with a mail server, for whoever has something to send: encrypted as asked, and ended in any case."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Literal, Protocol, TypedDict, Unpack

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}


class MailServer(Protocol):
    """What the settings of a mail server have to tell."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int | None: ...

    @property
    def tls(self) -> Literal["starttls", "implicit", "none"]: ...

    @property
    def ca_file(self) -> Path | None: ...

    @property
    def user(self) -> str | None: ...

    @property
    def password(self) -> Secret | None: ...

    @property
    def sender(self) -> str: ...

    @property
    def timeout_s(self) -> float: ...


def check_login(server: MailServer) -> None:
    """Raises ValueError for a user or password that cannot be used, or not safely."""
    user, password = server.user, server.password
    if (user is None) != (password is None):
        raise ValueError("user and password go together")
    if user is None or password is None:
        return
    if server.tls == "none":
        raise ValueError('a password is not sent unencrypted: set tls to "starttls" or "implicit"')
    if not (user + password.reveal()).isascii():
        raise ValueError("user and password have to be ASCII: the protocol knows nothing else")


def tls_of(server: MailServer) -> ssl.SSLContext:
    """Raises InputError where `ca_file` cannot be read."""
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except OSError as error:  # an unreadable file and one without certificates (ssl.SSLError)
        raise InputError(f"ca_file {server.ca_file}: {error.strerror or error}") from None


@contextmanager
def connection(server: MailServer, tls: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
    """Logged in, and cut after four times `timeout_s`. Raises what smtplib raises, but for how they part."""
    with _deadline(4 * server.timeout_s) as watch:
        smtp = _connect(server, tls, watch)
        try:
            if server.tls == "starttls":
                smtp.starttls(context=tls)  # raises where the server has none: no falling back
            if server.user is not None and server.password is not None:
                smtp.login(server.user, server.password.reveal())
            yield smtp
            with suppress(smtplib.SMTPException, OSError):  # the message is taken: how they part changes nothing
                smtp.quit()
        finally:
            smtp.close()


def refusal(server: MailServer, error: smtplib.SMTPResponseException) -> str:
    """The code and the words of a server that refuses: to be cleaned, but without those that repeat the password."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"{error.smtp_code} to the log-in"  # its words may repeat the password
    said = error.smtp_error
    text = said if isinstance(said, str) else said.decode("utf-8", "replace")
    if server.password and server.password.reveal() in text:
        text = "(its words repeat the password)"
    return f"{error.smtp_code} {text}"


_Watch = Callable[[smtplib.SMTP], None]


class _Server(TypedDict):
    host: str
    port: int
    local_hostname: str
    timeout: float


class _Plain(smtplib.SMTP):
    """Watched from before the first byte."""

    def __init__(self, watch: _Watch, **server: Unpack[_Server]) -> None:
        watch(self)
        super().__init__(**server)


class _Implicit(smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""

    def __init__(self, watch: _Watch, tls: ssl.SSLContext, **server: Unpack[_Server]) -> None:
        watch(self)
        super().__init__(context=tls, **server)


def _connect(server: MailServer, tls: ssl.SSLContext, watch: _Watch) -> smtplib.SMTP:
    given: _Server = {
        "host": server.host,
        "port": server.port or _PORTS[server.tls],
        "local_hostname": server.sender.rpartition("@")[2],  # else smtplib asks the DNS for this machine's name
        "timeout": server.timeout_s,
    }
    return _Implicit(watch, tls, **given) if server.tls == "implicit" else _Plain(watch, **given)


@contextmanager
def _deadline(seconds: float) -> Iterator[_Watch]:
    """Cuts a watched connection after `seconds`: smtplib's own time-out starts afresh with every byte that comes."""
    watched: list[smtplib.SMTP] = []

    def cut() -> None:
        for smtp in watched:
            if smtp.sock is not None:
                with suppress(OSError):  # closed meanwhile: just what is wanted
                    socket.shutdown(smtp.sock, SHUT_RDWR)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield watched.append
    finally:
        timer.cancel()
