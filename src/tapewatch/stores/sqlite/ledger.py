"""The ledger of notices in SQLite."""

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence

import msgspec

from tapewatch.stores.port import LedgerRow, NoticeRecord
from tapewatch.stores.sqlite.connection import Database

_ROWS = "SELECT alert_id, revision, channel, recipient, state, attempts, next_try_ns, last_error, notice FROM notices "
_DUE = (
    "INDEXED BY notices_due WHERE state = 'pending' AND next_try_ns <= ?"
    " AND channel NOT IN (SELECT value FROM json_each(?)) ORDER BY next_try_ns, id LIMIT ?"
)
_INSERT = (
    "INSERT INTO notices (alert_id, revision, channel, recipient, state, attempts, next_try_ns, last_error, notice,"
    " stored_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (alert_id, revision, channel, recipient) DO "
)


class SqliteNoticeLedger:
    """A `NoticeLedger` on one SQLite file. `now` gives the wall clock in ns: what retention measures age by."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._db = database
        self._now = now

    def owe(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """As the port says; all rows or none."""
        stored_ns = self._now()
        with self._db.write() as db:
            return [row for row in rows if _insert(db, row, stored_ns, "NOTHING")]

    def due(self, now_ns: int, limit: int, without: Collection[str] = ()) -> list[LedgerRow]:
        """As the port says."""
        with self._db.read() as db:
            rows = db.execute(
                _ROWS + _DUE,
                (now_ns, json.dumps(list(without)), max(limit, 0)),
            )
            return [_row(values) for values in rows]

    def given_up(self, limit: int) -> list[LedgerRow]:
        """As the port `GivenUpNotices` says; looks at every notice that is kept."""
        with self._db.read() as db:
            rows = db.execute(
                _ROWS + "WHERE state = 'dead' ORDER BY next_try_ns DESC, id DESC LIMIT ?", (max(limit, 0),)
            )
            return [_row(values) for values in rows][::-1]

    def notices(self, subject: str, limit: int) -> list[NoticeRecord]:
        """As the port `NoticeReader` says."""
        with self._db.read() as db:
            rows = db.execute(
                "SELECT alert_id, revision, channel, recipient, state, attempts, last_error, stored_ns FROM notices"
                " WHERE alert_id = ? ORDER BY id DESC LIMIT ?",
                (subject, max(limit, 0)),
            )
            found = [dict(zip(NoticeRecord.__struct_fields__, values, strict=True)) for values in rows]
        return [msgspec.convert(values, NoticeRecord) for values in reversed(found)]

    def settle(self, row: LedgerRow) -> None:
        """As the port says."""
        stored_ns = self._now()
        update = (
            "UPDATE SET state = excluded.state, attempts = excluded.attempts, next_try_ns = excluded.next_try_ns,"
            " last_error = excluded.last_error, notice = excluded.notice, stored_ns = excluded.stored_ns"
        )
        with self._db.write() as db:
            _insert(db, row, stored_ns, update)


def _insert(db: sqlite3.Connection, row: LedgerRow, stored_ns: int, on_conflict: str) -> bool:
    values = (
        row.alert_id,
        row.revision,
        row.channel,
        row.recipient,
        row.state,
        row.attempts,
        row.next_try_ns,
        row.last_error,
        row.notice,
        stored_ns,
    )
    return db.execute(_INSERT + on_conflict, values).rowcount == 1


def _row(values: tuple[object, ...]) -> LedgerRow:
    return msgspec.convert(dict(zip(LedgerRow.__struct_fields__, values, strict=True)), LedgerRow)
