"""Handing one message to a mail server, and what its answers mean."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Annotated, Literal, TypedDict, Unpack

import msgspec
from msgspec import Meta

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.notify.port import Delivery
from tapewatch.notify.wording import clean

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}


def check_address(text: str) -> str:
    """`text` if it is one plain address like `desk@example.org`, and nothing that could add a header or a recipient.

    Raises ValueError naming it.
    """
    local, _, domain = text.rpartition("@")
    plain = text.isascii() and text.isprintable() and not set(text) & set(' ,;:<>()[]"\\')
    if not (plain and local and "@" not in local and domain.strip(".") == domain and domain and len(text) <= 254):
        raise ValueError(f"{text!r} is not an e-mail address like desk@example.org")
    return text


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mail server."""

    host: str
    """Name of the mail server."""

    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """Its port; else 587 for `starttls`, 465 for `implicit`, 25 for `none`."""

    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """How the connection is encrypted. `starttls` never falls back to an unencrypted connection."""

    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's, for a server with a certificate of its own."""

    user: str | None = None
    """User to log in as; without it nobody logs in."""

    password: Secret | None = None
    """Its password."""

    sender: str
    """Address that the mail comes from."""

    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 15.0
    """Seconds to wait for each answer of the server; a whole delivery may take four times that."""

    def __post_init__(self) -> None:
        check_address(self.sender)
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        if self.user is not None and self.tls == "none":
            raise ValueError('a password is not sent unencrypted: set tls to "starttls" or "implicit"')
        if self.user is not None and self.password is not None and not (self.user + self.password.reveal()).isascii():
            raise ValueError("user and password have to be ASCII: the protocol knows nothing else")


class SmtpSender:
    """Sends messages one at a time, each over a connection of its own.

    Raises InputError where `ca_file` cannot be read.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._port = settings.port or _PORTS[settings.tls]
        try:
            self._tls = ssl.create_default_context(cafile=settings.ca_file)
        except OSError as error:  # an unreadable file and one without certificates (ssl.SSLError)
            raise InputError(f"ca_file {settings.ca_file}: {error.strerror or error}") from None

    def send(self, message: EmailMessage, recipient: str) -> Delivery:
        """Send to one recipient; never raises for what the server does.

        A refusal for now (4xx), a lost connection and a time-out are `retry`; a refusal (5xx) and a server without what
        the settings ask for (STARTTLS, log-in) are `give_up`. A connection lost after the text was sent is `retry` too:
        the server may have taken it, and a repeat with the same Message-ID is better than silence.
        """
        try:
            with self._connection() as smtp:
                smtp.send_message(message, from_addr=self._settings.sender, to_addrs=[recipient])
        except smtplib.SMTPRecipientsRefused as error:
            return self._by_code(error.recipients[recipient])
        except smtplib.SMTPResponseException as error:  # also a refused log-in, sender, or text
            return self._by_code(error)
        except smtplib.SMTPNotSupportedError as error:
            return Delivery("give_up", f"the mail server lacks what the settings ask for: {clean(str(error), 200)}")
        except ssl.SSLError as error:
            return Delivery("retry", f"TLS with the mail server failed: {error.reason or type(error).__name__}")
        except OSError as error:  # smtplib's own errors are OSErrors too
            return Delivery("retry", f"no connection with the mail server: {clean(str(error), 200)}")
        return Delivery("done")

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        with _deadline(4 * settings.timeout_s) as watch:
            smtp = self._connect(watch)
            try:
                if settings.tls == "starttls":
                    smtp.starttls(context=self._tls)  # raises where the server has none: no falling back
                if settings.user is not None and settings.password is not None:
                    smtp.login(settings.user, settings.password.reveal())
                yield smtp
                with suppress(smtplib.SMTPException, OSError):  # the message is taken: how they part changes nothing
                    smtp.quit()
            finally:
                smtp.close()

    def _connect(self, watch: "_Watch") -> smtplib.SMTP:
        settings = self._settings
        greeting = settings.sender.rpartition("@")[2]  # else smtplib asks the DNS for this machine's name, without end
        server: _Server = {
            "host": settings.host,
            "port": self._port,
            "local_hostname": greeting,
            "timeout": settings.timeout_s,
        }
        return _Implicit(watch, self._tls, **server) if settings.tls == "implicit" else _Plain(watch, **server)

    def _by_code(self, error: smtplib.SMTPResponseException | tuple[int, bytes]) -> Delivery:
        code, said = error if isinstance(error, tuple) else (error.smtp_code, error.smtp_error)
        outcome: Literal["retry", "give_up"] = "give_up" if 500 <= code <= 599 else "retry"
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return Delivery(outcome, f"the mail server refused the log-in: {code}")  # its words may repeat the password
        text = clean(said if isinstance(said, str) else said.decode("ascii", "replace"), 200)
        password = self._settings.password
        if password and password.reveal() in text:
            text = "(its words repeat the password)"
        return Delivery(outcome, f"the mail server refused: {code} {text}")


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
