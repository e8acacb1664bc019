"""Report tasks and their files in SQLite."""

import sqlite3

import msgspec

from tapewatch.stores.port import ReportTask
from tapewatch.stores.sqlite.connection import Database

_task = msgspec.json.Decoder(ReportTask)


class SqliteTaskStore:
    """A `TaskStore` on one SQLite file."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, task: ReportTask, content: bytes | None = None) -> None:
        """As the port says; None leaves a file that is there already. A task that was accepted survives a power cut."""
        with self._db.write(durable=True) as db:
            _put(db, task)
            if content is not None:
                db.execute(
                    "INSERT INTO report_files VALUES (?, ?) ON CONFLICT (task_id) DO UPDATE"
                    " SET content = excluded.content",
                    (task.task_id, content),
                )

    def get(self, task_id: str) -> ReportTask | None:
        """The task, None where there is none."""
        with self._db.read() as db:
            row = db.execute("SELECT payload FROM report_tasks WHERE task_id = ?", (task_id,)).fetchone()
            return _task.decode(row[0]) if row else None

    def content(self, task_id: str) -> bytes | None:
        """The finished file, None where there is none."""
        with self._db.read() as db:
            row = db.execute("SELECT content FROM report_files WHERE task_id = ?", (task_id,)).fetchone()
            return bytes(row[0]) if row else None

    def claim(self, now_ns: int) -> ReportTask | None:
        """As the port says."""
        with self._db.write() as db:
            row = db.execute(
                "SELECT payload FROM report_tasks WHERE status = 'queued' ORDER BY created_ns, task_id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            queued = _task.decode(row[0])
            running = msgspec.structs.replace(queued, status="running", attempts=queued.attempts + 1, updated_ns=now_ns)
            _put(db, running)
            return running

    def requeue_running(self) -> int:
        """As the port says."""
        with self._db.write() as db:
            rows = db.execute("SELECT payload FROM report_tasks WHERE status = 'running'").fetchall()
            for (payload,) in rows:
                _put(db, msgspec.structs.replace(_task.decode(payload), status="queued"))
            return len(rows)


def _put(db: sqlite3.Connection, task: ReportTask) -> None:
    db.execute(
        "INSERT INTO report_tasks VALUES (?, ?, ?, ?) ON CONFLICT (task_id) DO UPDATE"
        " SET status = excluded.status, created_ns = excluded.created_ns, payload = excluded.payload",
        (task.task_id, task.status, task.created_ns, msgspec.json.encode(task)),
    )
