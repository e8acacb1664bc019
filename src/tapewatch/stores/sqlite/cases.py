"""What people did, and the audit of it, in SQLite."""

import sqlite3
from collections.abc import Sequence

import msgspec

from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.errors import CommitRefusedError
from tapewatch.stores.sqlite.connection import Database

_case = msgspec.json.Decoder(Case)
_silence = msgspec.json.Decoder(Silence)
_entry = msgspec.json.Decoder(AuditEntry)


class SqliteCaseStore:
    """A `CaseStore` on one SQLite file. No statement changes or removes an entry of the audit. What a call has written
    survives a power cut: nothing could make it again."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def cases(self, alert_ids: Sequence[str]) -> dict[str, Case]:
        """As the port says."""
        with self._db.read() as db:
            rows = db.execute(
                "SELECT alert_id, payload FROM cases WHERE alert_id IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode(list(alert_ids)).decode(),),
            )
            return {alert_id: _case.decode(payload) for alert_id, payload in rows}

    def put(self, case: Case, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        with self._db.write(durable=True) as db:
            row = db.execute("SELECT version FROM cases WHERE alert_id = ?", (case.alert_id,)).fetchone()
            version = row[0] if row else 0
            if version != case.version - 1:
                raise CommitRefusedError("version", case.version - 1, version)
            db.execute(
                "INSERT INTO cases VALUES (?, ?, ?) ON CONFLICT (alert_id) DO UPDATE"
                " SET version = excluded.version, payload = excluded.payload",
                (case.alert_id, case.version, msgspec.json.encode(case)),
            )
            return _append(db, entry)

    def audit_append(self, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        with self._db.write(durable=True) as db:
            return _append(db, entry)

    def put_silence(self, silence: Silence, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        with self._db.write(durable=True) as db:
            db.execute(
                "INSERT INTO silences VALUES (?, ?) ON CONFLICT (silence_id) DO UPDATE SET payload = excluded.payload",
                (silence.silence_id, msgspec.json.encode(silence)),
            )
            return _append(db, entry)

    def silences(self) -> list[Silence]:
        """As the port says."""
        with self._db.read() as db:
            rows = db.execute("SELECT payload FROM silences ORDER BY silence_id")
            return [_silence.decode(payload) for (payload,) in rows]

    def audit(self, subject: str | None, after: int, limit: int) -> list[AuditEntry]:
        """As the port says."""
        condition, values = ("", ()) if subject is None else ("subject = ? AND ", (subject,))
        with self._db.read() as db:
            rows = db.execute(
                f"SELECT seq, payload FROM audit WHERE {condition}seq > ? ORDER BY seq LIMIT ?",  # noqa: S608 - constant
                (*values, after, max(limit, 0)),
            )
            return [msgspec.structs.replace(_entry.decode(payload), seq=seq) for seq, payload in rows]


def _append(db: sqlite3.Connection, entry: AuditEntry) -> AuditEntry:
    cursor = db.execute(
        "INSERT INTO audit (subject, payload) VALUES (?, ?)", (entry.subject, msgspec.json.encode(entry))
    )
    if cursor.lastrowid is None:
        raise AssertionError("unreachable: an insert has a row id")
    return msgspec.structs.replace(entry, seq=cursor.lastrowid)
