"""Handing one message to a mail server, and what its answers mean."""

import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tapewatch.mail import check_login, connection, refusal, tls_of
from tapewatch.model.secret import Secret
from tapewatch.notify.port import Delivery
from tapewatch.notify.wording import clean


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
        check_login(self)


class SmtpSender:
    """Sends messages one at a time, each over a connection of its own.

    Raises InputError where `ca_file` cannot be read.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._tls = tls_of(settings)

    def send(self, message: EmailMessage, recipient: str) -> Delivery:
        """Send to one recipient; never raises for what the server does.

        A refusal for now (4xx), a lost connection and a time-out are `retry`; a refusal (5xx) and a server without what
        the settings ask for (STARTTLS, log-in) are `give_up`. A connection lost after the text was sent is `retry` too:
        the server may have taken it, and a repeat with the same Message-ID is better than silence.
        """
        try:
            with connection(self._settings, self._tls) as smtp:
                smtp.send_message(message, from_addr=self._settings.sender, to_addrs=[recipient])
        except smtplib.SMTPRecipientsRefused as error:
            return self._by_code(smtplib.SMTPResponseException(*error.recipients[recipient]))
        except smtplib.SMTPResponseException as error:  # also a refused log-in, sender, or text
            return self._by_code(error)
        except smtplib.SMTPNotSupportedError as error:
            return Delivery("give_up", f"the mail server lacks what the settings ask for: {clean(str(error), 200)}")
        except ssl.SSLError as error:
            return Delivery("retry", f"TLS with the mail server failed: {error.reason or type(error).__name__}")
        except OSError as error:  # smtplib's own errors are OSErrors too
            return Delivery("retry", f"no connection with the mail server: {clean(str(error), 200)}")
        return Delivery("done")

    def _by_code(self, error: smtplib.SMTPResponseException) -> Delivery:
        outcome: Literal["retry", "give_up"] = "give_up" if 500 <= error.smtp_code <= 599 else "retry"
        return Delivery(outcome, f"the mail server refused: {clean(refusal(self._settings, error), 200)}")
