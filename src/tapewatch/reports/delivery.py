"""Finished reports by e-mail: the message, and the port through which it is sent."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol

from tapewatch.model.errors import InputError, TapewatchError
from tapewatch.model.times import SECOND_NS
from tapewatch.reports.addresses import DOMAIN, check_address

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_MESSAGE_ID = re.compile(rf"<[A-Za-z0-9._-]{{1,128}}@{DOMAIN.pattern}>")
_MEDIA_TYPE = re.compile(r"([a-z]+)/([a-z0-9.+-]+)(?:; charset=([a-z0-9-]+))?")
_POLICY = SMTP.clone(cte_type="7bit")  # so that no server on the way needs 8BITMIME


class UnsureError(TapewatchError):
    """The mail server had the whole message but did not say what became of it: it may have been delivered.

    To try again may deliver it twice, with the same Message-ID.
    """


@dataclass(frozen=True, slots=True)
class FileMail:
    """One file to one person. `message_id` is the same at every attempt, so that a repeat can be told."""

    recipient: str
    subject: str
    body: str
    file_name: str
    media_type: str
    content: bytes = field(repr=False)
    message_id: str


class SendFile(Protocol):
    """Sends a file by e-mail."""

    def __call__(self, mail: FileMail) -> None:
        """Return when the server took the message over.

        Raises RetryableError where it was not taken but may be later, GiveUpError where it never will be, UnsureError
        where nobody can tell, InputError for a mail that could smuggle in headers or recipients.
        """
        ...


def compose(mail: FileMail, sender: str, now_ns: int) -> EmailMessage:
    """The message. Raises InputError where a part could break out of its header."""
    media = _MEDIA_TYPE.fullmatch(mail.media_type)
    for name, text, good in (
        ("subject", mail.subject, mail.subject.isprintable() and len(mail.subject) <= 200),
        ("file name", mail.file_name, _FILE_NAME.fullmatch(mail.file_name)),
        ("message id", mail.message_id, _MESSAGE_ID.fullmatch(mail.message_id)),
        ("media type", mail.media_type, media),
    ):
        if not good:
            raise InputError(f"a mail cannot have the {name} {text[:80]!r}")
    assert media is not None
    message = EmailMessage(policy=_POLICY)
    message["Subject"] = mail.subject
    message["From"] = Address("tapewatch", addr_spec=check_address(sender))
    message["To"] = Address(addr_spec=check_address(mail.recipient))
    message["Date"] = datetime.fromtimestamp(now_ns // SECOND_NS, tz=UTC)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers to it
    message.set_content(mail.body)
    params = {"charset": media[3]} if media[3] else {}
    message.add_attachment(mail.content, maintype=media[1], subtype=media[2], filename=mail.file_name, params=params)
    return message
