"""What channels have in common: how they may be called, and the ids of messages."""

import hashlib
from typing import Annotated

from msgspec import Meta

from tapewatch.notify.port import Delivery

NO_RECIPIENT = Delivery("give_up", "not among this channel's recipients")
ChannelName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


def message_id(alert_id: str, revision: int, channel: str, recipient: str) -> str:
    """The Message-ID of one notice to one recipient: the same at every attempt, and it tells nobody who that is.

    >>> message_id("9f3c", 2, "email", "desk@example.org")
    '<9f3c.2.email.08a9d9e2660e363c@tapewatch>'
    """
    digest = hashlib.blake2b(recipient.encode(), digest_size=8).hexdigest()
    return f"<{alert_id}.{revision}.{channel}.{digest}@tapewatch>"
