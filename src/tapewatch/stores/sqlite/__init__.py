"""SQLite adapters of every store but the tick history: one database file, one Python file a store.

Wiring: `db = Database(path)`, then the stores on it; `db.close()` at the end.
"""

from tapewatch.stores.sqlite.alerts import SqliteAlertStore
from tapewatch.stores.sqlite.cases import SqliteCaseStore
from tapewatch.stores.sqlite.connection import Database
from tapewatch.stores.sqlite.cursors import SqliteCursors
from tapewatch.stores.sqlite.dead_letters import SqliteDeadLetterStore
from tapewatch.stores.sqlite.groups import SqliteGroupStore
from tapewatch.stores.sqlite.ledger import SqliteNoticeLedger
from tapewatch.stores.sqlite.retention import retain
from tapewatch.stores.sqlite.shard_state import SqliteShardStore
from tapewatch.stores.sqlite.tasks import SqliteTaskStore

__all__ = [
    "Database",
    "SqliteAlertStore",
    "SqliteCaseStore",
    "SqliteCursors",
    "SqliteDeadLetterStore",
    "SqliteGroupStore",
    "SqliteNoticeLedger",
    "SqliteShardStore",
    "SqliteTaskStore",
    "retain",
]
