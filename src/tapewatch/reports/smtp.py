"""Sends finished reports through a mail server, and knows how far each attempt came."""

import re
import smtplib
import ssl
from collections.abc import Callable

from tapewatch.model.errors import GiveUpError, InputError, RetryableError
from tapewatch.reports.delivery import FileMail, UnsureError, compose
from tapewatch.reports.settings import ReportSmtpSettings
from tapewatch.reports.words import plain

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}
_LINE_WITH_DOT = re.compile(rb"^\.", re.MULTILINE)


class SmtpFileSender:
    """A `SendFile` over SMTP, one connection a mail. Raises InputError where `ca_file` cannot be read."""

    def __init__(self, settings: ReportSmtpSettings, now: Callable[[], int]) -> None:
        self._settings = settings
        self._now = now
        try:
            self._tls = ssl.create_default_context(cafile=settings.ca_file)
        except OSError as error:
            raise InputError(f"ca_file {settings.ca_file}: {error.strerror or error}") from None

    def __call__(self, mail: FileMail) -> None:
        """As the port says: 4xx and lost connections may be tried again, 5xx and missing encryption may not."""
        payload = compose(mail, self._settings.sender, self._now()).as_bytes()
        server = self._settings.host
        try:
            with self._connect() as smtp:
                self._transfer(smtp, mail.recipient, payload)
        except smtplib.SMTPResponseException as error:
            raise _refused(server, error.smtp_code, error.smtp_error) from None
        except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
            raise GiveUpError(f"mail server {server}: {plain(str(error), 200)}") from None
        except (smtplib.SMTPException, OSError) as error:
            reason = plain(str(error), 200) or type(error).__name__
            raise RetryableError(f"mail server {server}: {reason}") from None

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        port = settings.port or _PORTS[settings.tls]
        if settings.tls == "implicit":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, port, timeout=settings.timeout_s, context=self._tls)
        else:
            smtp = smtplib.SMTP(settings.host, port, timeout=settings.timeout_s)
        try:
            if settings.tls == "starttls":
                smtp.starttls(context=self._tls)
            if settings.user is not None and settings.password is not None:
                smtp.login(settings.user, settings.password.reveal())
        except BaseException:
            smtp.close()
            raise
        return smtp

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


def _refused(server: str, code: int, text: bytes | str) -> RetryableError | GiveUpError:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    reason = f"mail server {server} answered {code} {plain(words, 200)}"
    return GiveUpError(reason) if 500 <= code < 600 else RetryableError(reason)
