"""The ledger that the notifier needs, and the rows that a decision makes."""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from tapewatch.model.ledger import LedgerRow
from tapewatch.notify.decide import Decision
from tapewatch.notify.port import Notice


class Ledger(Protocol):
    """Which notices are owed, sent, muted or given up. All raise RetryableError where the ledger is busy."""

    def owe(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Insert the rows that are new by (alert_id, revision, channel, recipient); return those."""
        ...

    def due(self, now_ns: int, limit: int, without: Collection[str] = ()) -> list[LedgerRow]:
        """Pending rows whose `next_try_ns` has come, oldest first; none of the channels in `without`."""
        ...

    def settle(self, row: LedgerRow) -> None:
        """Overwrite the row of the same key."""
        ...


def rows_of(notice: Notice, decision: Decision, now_ns: int) -> list[LedgerRow]:
    """A row for everybody concerned: pending, or suppressed with the reason. A notice for nobody has one row too, with
    an empty channel and recipient, so that it can be seen that nobody was told."""
    content = msgspec.json.encode(notice)
    alert_id, revision = notice.key
    return [
        LedgerRow(
            alert_id=alert_id,
            revision=revision,
            channel=channel,
            recipient=recipient,
            state="suppressed" if decision.why else "pending",
            next_try_ns=now_ns + decision.wait_ns,
            last_error=decision.reason or None,
            notice=content,
        )
        for channel, recipient in decision.recipients or (("", ""),)
    ]
