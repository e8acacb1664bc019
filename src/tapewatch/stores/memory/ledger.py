"""The ledger of notices in memory."""

import threading
from collections.abc import Collection, Sequence

from tapewatch.stores.port import LedgerRow

Key = tuple[str, int, str, str]


class MemoryNoticeLedger:
    """A `NoticeLedger` in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Key, LedgerRow] = {}

    def owe(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """As the port says."""
        with self._lock:
            new = []
            for row in rows:
                if _key(row) not in self._rows:
                    self._rows[_key(row)] = row
                    new.append(row)
            return new

    def due(self, now_ns: int, limit: int, without: Collection[str] = ()) -> list[LedgerRow]:
        """As the port says."""
        with self._lock:
            ready = [row for row in self._rows.values() if row.state == "pending" and row.next_try_ns <= now_ns]
        ready = [row for row in ready if row.channel not in without]
        return sorted(ready, key=lambda row: row.next_try_ns)[: max(limit, 0)]

    def given_up(self, limit: int) -> list[LedgerRow]:
        """As the port `GivenUpNotices` says."""
        with self._lock:
            found = [row for row in self._rows.values() if row.state == "dead"]
        return sorted(found, key=lambda row: row.next_try_ns)[-limit:] if limit > 0 else []

    def settle(self, row: LedgerRow) -> None:
        """As the port says."""
        with self._lock:
            self._rows[_key(row)] = row


def _key(row: LedgerRow) -> Key:
    return row.alert_id, row.revision, row.channel, row.recipient
