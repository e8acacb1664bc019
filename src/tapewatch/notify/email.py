"""Notices by e-mail: plain text and simple HTML, one message a recipient."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Annotated

from msgspec import Meta

from tapewatch.model.alerts import Severity
from tapewatch.model.times import SECOND_NS
from tapewatch.notify.context import Context
from tapewatch.notify.names import NO_RECIPIENT, ChannelName
from tapewatch.notify.port import Delivery, Notice
from tapewatch.notify.smtp import SmtpSender, SmtpSettings, check_address
from tapewatch.notify.wording import clean, facts, plain_text, subject

_COLOURS: dict[Severity, str] = {"low": "#5f6b7a", "medium": "#b7791f", "high": "#c53030", "critical": "#7b0f16"}


class EmailSettings(SmtpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Notices by e-mail."""

    name: ChannelName = "email"
    """Name of this channel, as routes and the ledger say it."""

    recipients: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Addresses that are told; each gets a message of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for recipient in self.recipients:
            check_address(recipient)

    def channels(self, context: Context) -> "tuple[EmailChannel, ...]":
        """The channel. Raises InputError where `ca_file` cannot be read."""
        return (EmailChannel(self, context),)


class EmailChannel:
    """Mails each notice; the Message-ID is the same at every attempt, and one incident is one thread."""

    def __init__(self, settings: EmailSettings, context: Context) -> None:
        self.name = settings.name
        self.recipients = settings.recipients
        self._sender = settings.sender
        self._smtp = SmtpSender(settings)
        self._now = context.now

    def deliver(self, notice: Notice, recipient: str, message_id: str) -> Delivery:
        """Send once. An address that is not in the settings is given up, whoever asks."""
        if recipient not in self.recipients:
            return NO_RECIPIENT
        return self._smtp.send(compose(notice, self._sender, recipient, message_id, self._now()), recipient)


def compose(notice: Notice, sender: str, recipient: str, message_id: str, now_ns: int) -> EmailMessage:
    """The message. What stands in headers is cleaned or checked before; EmailMessage refuses line breaks besides."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject(notice)
    message["From"] = Address("tapewatch", addr_spec=sender)
    message["To"] = Address(addr_spec=recipient)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ns // SECOND_NS, UTC))
    message["Message-ID"] = message_id
    message["References"] = f"<{clean(notice.incident.incident_id, 64)}@tapewatch>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    message.set_content(plain_text(notice))
    message.add_alternative(html(notice), subtype="html")
    return message


def html(notice: Notice) -> str:
    """The notice as a small HTML page without scripts, pictures or styles from elsewhere."""
    colour = _COLOURS[notice.incident.severity]
    rows = "\n".join(
        f'<tr><th align="left" style="padding-right:1em">{escape(label)}</th><td>{escape(value)}</td></tr>'
        for label, value in facts(notice)
    )
    link = notice.link or ""
    shown = escape(clean(link))
    more = f'<p><a href="{shown}">{shown}</a></p>' if link.startswith(("https://", "http://")) else ""
    return (
        '<!doctype html>\n<html><body style="font-family:sans-serif;color:#1a202c">\n'
        f'<h2 style="color:{colour};margin-bottom:0.3em">{escape(subject(notice))}</h2>\n'
        f"<p>{escape(clean(notice.incident.message))}</p>\n"
        f'<table style="border-collapse:collapse;font-size:90%">\n{rows}\n</table>\n{more}\n</body></html>\n'
    )
