"""Sends finished reports through a mail server, and knows how far each attempt came."""

import re
import smtplib
import ssl
from collections.abc import Callable

from tapewatch.mail import connection, refusal, tls_of
from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.reports.delivery import FileMail, UnsureError, compose
from tapewatch.reports.settings import ReportSmtpSettings
from tapewatch.reports.words import plain

_LINE_WITH_DOT = re.compile(rb"^\.", re.MULTILINE)


class SmtpFileSender:
    """A `SendFile` over SMTP, one connection a mail. Raises InputError where `ca_file` cannot be read."""

    def __init__(self, settings: ReportSmtpSettings, now: Callable[[], int]) -> None:
        self._settings = settings
        self._now = now
        self._tls = tls_of(settings)

    def __call__(self, mail: FileMail) -> None:
        """As the port says: 4xx and lost connections may be tried again, 5xx and missing encryption may not."""
        payload = compose(mail, self._settings.sender, self._now()).as_bytes()
        server = self._settings.host
        try:
            with connection(self._settings, self._tls) as smtp:
                self._transfer(smtp, mail.recipient, payload)
        except smtplib.SMTPResponseException as error:
            reason = f"mail server {server} answered {plain(refusal(self._settings, error), 200)}"
            raise (GiveUpError if 500 <= error.smtp_code < 600 else RetryableError)(reason) from None
        except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
            raise GiveUpError(f"mail server {server}: {plain(str(error), 200)}") from None
        except (smtplib.SMTPException, OSError) as error:
            reason = plain(str(error), 200) or type(error).__name__
            raise RetryableError(f"mail server {server}: {reason}") from None

    def _transfer(self, smtp: smtplib.SMTP, recipient: str, payload: bytes) -> None:
        """One recipient, one message. A connection lost before the last dot means that nothing was sent."""
        smtp.ehlo_or_helo_if_needed()
        _expect(250, smtp.mail(self._settings.sender))
        _expect(250, smtp.rcpt(recipient))
        _expect(354, smtp.docmd("DATA"))
        smtp.send(_LINE_WITH_DOT.sub(b"..", payload))
        try:
            smtp.send(b".\r\n" if payload.endswith(b"\r\n") else b"\r\n.\r\n")
            answer = smtp.getreply()
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            reason = plain(str(error), 200) or type(error).__name__
            raise UnsureError(f"mail server {self._settings.host} fell silent after the message: {reason}") from None
        _expect(250, answer)


def _expect(code: int, answer: tuple[int, bytes]) -> None:
    if answer[0] not in {code, 251 if code == 250 else code}:  # 251: will be forwarded
        raise smtplib.SMTPResponseException(*answer)
