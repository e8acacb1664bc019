"""The schema as numbered migrations: `user_version` counts those that a file has been through.

A migration that was ever released is never edited; a change is a new one at the end.
"""

import sqlite3
from collections.abc import Callable

from tapewatch.model.errors import GiveUpError
from tapewatch.stores.sqlite.classes_by_type import classes_by_type
from tapewatch.stores.sqlite.letters_by_content import letters_by_content

_SHARDS = """
CREATE TABLE shards (
    shard TEXT PRIMARY KEY, incarnation TEXT NOT NULL, fingerprint TEXT NOT NULL, epoch INTEGER NOT NULL,
    next INTEGER NOT NULL, fates TEXT NOT NULL, last_seq INTEGER NOT NULL
) STRICT;
CREATE TABLE shard_rows (
    shard TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (shard, key)
) STRICT;
CREATE TABLE outbox (
    shard TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (shard, seq)
) STRICT;
"""

# A class is one combination of what a query filters by equality. Each item carries two: `class_id`, whose symbol is
# empty, and `symbol_class_id`. A page is a merge of the few classes that match, each read from its index in order.
_ALERTS = """
CREATE TABLE classes (
    class_id INTEGER PRIMARY KEY, kind TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
    category TEXT NOT NULL, rule TEXT NOT NULL, direction TEXT NOT NULL, severity TEXT NOT NULL, state TEXT NOT NULL,
    UNIQUE (kind, symbol, venue, category, rule, direction, severity, state)
) STRICT;
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY, alert_id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, onset_ns INTEGER NOT NULL,
    class_id INTEGER NOT NULL, symbol_class_id INTEGER NOT NULL, incident_id TEXT NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE INDEX alerts_by_onset ON alerts (onset_ns, alert_id, class_id);
CREATE INDEX alerts_by_class ON alerts (class_id, onset_ns, alert_id);
CREATE INDEX alerts_by_symbol_class ON alerts (symbol_class_id, onset_ns, alert_id);
CREATE INDEX alerts_by_incident ON alerts (incident_id, onset_ns, alert_id);
CREATE TABLE signals (
    id INTEGER PRIMARY KEY, signal_id TEXT NOT NULL UNIQUE, ts_event_ns INTEGER NOT NULL,
    class_id INTEGER NOT NULL, symbol_class_id INTEGER NOT NULL, alert_id TEXT, payload BLOB NOT NULL,
    stored_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX signals_by_time ON signals (ts_event_ns, signal_id, class_id);
CREATE INDEX signals_by_class ON signals (class_id, ts_event_ns, signal_id);
CREATE INDEX signals_by_symbol_class ON signals (symbol_class_id, ts_event_ns, signal_id);
CREATE INDEX signals_by_alert ON signals (alert_id, ts_event_ns, signal_id);
CREATE INDEX signals_by_age ON signals (stored_ns);
CREATE TABLE incidents (
    id INTEGER PRIMARY KEY, incident_id TEXT NOT NULL UNIQUE, onset_ns INTEGER NOT NULL,
    class_id INTEGER NOT NULL, symbol_class_id INTEGER NOT NULL, is_open INTEGER NOT NULL, payload BLOB NOT NULL,
    told BLOB, stored_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX incidents_by_onset ON incidents (onset_ns, incident_id, class_id);
CREATE INDEX incidents_by_class ON incidents (class_id, onset_ns, incident_id);
CREATE INDEX incidents_by_symbol_class ON incidents (symbol_class_id, onset_ns, incident_id);
CREATE INDEX incidents_by_age ON incidents (is_open, stored_ns);
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL, event TEXT, incident BLOB, stored_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX changes_that_are_news ON changes (seq) WHERE event IS NOT NULL;
"""

_PEOPLE = """
CREATE TABLE cases (alert_id TEXT PRIMARY KEY, version INTEGER NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE TABLE audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, payload BLOB NOT NULL) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, seq);
CREATE TABLE notices (
    id INTEGER PRIMARY KEY, alert_id TEXT NOT NULL, revision INTEGER NOT NULL, channel TEXT NOT NULL,
    recipient TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, next_try_ns INTEGER NOT NULL,
    last_error TEXT, notice BLOB NOT NULL, stored_ns INTEGER NOT NULL,
    UNIQUE (alert_id, revision, channel, recipient)
) STRICT;
CREATE INDEX notices_due ON notices (next_try_ns, id) WHERE state = 'pending';
CREATE INDEX notices_by_age ON notices (stored_ns) WHERE state <> 'pending';
CREATE TABLE report_tasks (
    task_id TEXT PRIMARY KEY, status TEXT NOT NULL, created_ns INTEGER NOT NULL, payload BLOB NOT NULL
) STRICT;
CREATE INDEX report_tasks_by_status ON report_tasks (status, created_ns, task_id);
CREATE TABLE report_files (task_id TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT;
CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, tape_offset INTEGER NOT NULL, payload BLOB NOT NULL,
    stored_ns INTEGER NOT NULL, UNIQUE (source, tape_offset)
) STRICT;
CREATE INDEX dead_letters_by_age ON dead_letters (stored_ns);
"""

_CURSORS = "CREATE TABLE cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

_GROUPS = """
CREATE TABLE groups (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, group_id TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL,
    market TEXT NOT NULL, state TEXT NOT NULL, opened_ns INTEGER NOT NULL, payload BLOB NOT NULL,
    stored_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX groups_by_opening ON groups (opened_ns, group_id);
CREATE TABLE market_minutes (
    market TEXT NOT NULL, end_ns INTEGER NOT NULL, payload BLOB NOT NULL, stored_ns INTEGER NOT NULL,
    PRIMARY KEY (market, end_ns)
) STRICT;
CREATE INDEX market_minutes_by_age ON market_minutes (stored_ns)
"""

_SILENCES = "CREATE TABLE silences (silence_id TEXT PRIMARY KEY, payload BLOB NOT NULL) STRICT"


def append_only_audit(connection: sqlite3.Connection) -> None:
    """Have SQLite itself refuse to change or remove an entry of the audit, whoever asks."""
    for what in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER audit_refuses_{what.lower()} BEFORE {what} ON audit"
            " BEGIN SELECT RAISE(ABORT, 'the audit is only ever appended to'); END"
        )


Migration = str | Callable[[sqlite3.Connection], None]
MIGRATIONS: tuple[Migration, ...] = (
    _SHARDS + _ALERTS + _PEOPLE,
    _CURSORS,
    _GROUPS,
    _SILENCES,
    classes_by_type,
    append_only_audit,
    letters_by_content,
)


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring the file to the newest schema, each migration in a transaction of its own; `name` stands in errors.

    Raises GiveUpError where the file is of a newer tapewatch: writing to it could destroy what we cannot read.
    """
    for number in range(1, len(MIGRATIONS) + 1):
        # The version is read again inside each transaction: another process may be making the same schema.
        connection.execute("BEGIN IMMEDIATE")
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise GiveUpError(
                    f"{name} has schema {version}, this tapewatch knows up to {len(MIGRATIONS)}: use the newer one"
                )
            if version < number:
                _apply(connection, MIGRATIONS[number - 1])
                connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    if callable(migration):
        migration(connection)
        return
    for statement in migration.split(";"):
        connection.execute(statement)
