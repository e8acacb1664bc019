"""What the ledger of notices keeps."""

from typing import Literal

import msgspec

LedgerState = Literal["pending", "done", "dead", "suppressed"]  # suppressed: muted, `last_error` says why


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to one recipient through one channel; the key is (alert_id, revision, channel, recipient)."""

    alert_id: str
    revision: int
    channel: str
    recipient: str
    state: LedgerState = "pending"
    attempts: int = 0
    next_try_ns: int = 0
    last_error: str | None = None
    notice: bytes = b""  # JSON of the notice, so that it can be sent again after a restart
