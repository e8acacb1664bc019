"""Retention of the SQLite stores: what is older than it has to be kept goes, in small steps."""

import sqlite3

from tapewatch.model.report_task import LOOK_BACK_NS
from tapewatch.model.times import DAY_NS
from tapewatch.stores.sqlite.connection import Database

CHANGES_KEPT = 1_000_000
_STEP = 2_000  # rows a transaction: a commit of the engine waits for at most one step


def retain(database: Database, now_ns: int, days: float, *, changes_kept: int = CHANGES_KEPT) -> dict[str, int]:
    """Remove what was last written more than `days` ago; return how many rows went, by table.

    Age is that of the record, not of the market data in it: a replay of an old tape keeps its alerts as long as a live
    one. Incidents go with all their alerts, or not at all; open ones stay. Of the change log (with its news), at most
    the newest `changes_kept` stay. Notices that are still owed stay, and so do report tasks that are not finished, or
    that a schedule would make again if they were not known. Cases and the audit are never removed. Threads may read and
    write meanwhile. Raises ValueError for a negative age.
    """
    if days < 0 or changes_kept < 0:
        raise ValueError(f"cannot keep {days} days and {changes_kept} changes")
    before_ns = int(now_ns - days * DAY_NS)
    removed = {"alerts": 0, "incidents": 0}
    while step := _remove_incidents(database, before_ns):
        for table, count in step.items():
            removed[table] += count
    old = "rowid IN (SELECT rowid FROM {} WHERE stored_ns < :before LIMIT :step)"
    settled = "rowid IN (SELECT rowid FROM notices WHERE state <> 'pending' AND stored_ns < :before LIMIT :step)"
    excess = (
        "seq IN (SELECT seq FROM changes WHERE stored_ns < :before"
        " OR seq <= (SELECT max(seq) FROM changes) - :kept ORDER BY seq LIMIT :step)"
    )
    values = {"before": before_ns, "kept": changes_kept, "step": _STEP}
    removed["signals"] = _remove(database, "signals", old.format("signals"), values)
    removed["changes"] = _remove(database, "changes", excess, values)
    removed["notices"] = _remove(database, "notices", settled, values)
    finished = values | {"before": min(before_ns, now_ns - LOOK_BACK_NS - DAY_NS)}
    ended = "task_id IN (SELECT task_id FROM report_tasks WHERE status IN ('done', 'failed') AND created_ns < :before)"
    removed["report_files"] = _remove(database, "report_files", ended, finished)
    removed["report_tasks"] = _remove(database, "report_tasks", ended, finished)
    removed["market_minutes"] = _remove(database, "market_minutes", old.format("market_minutes"), values)
    closed = "rowid IN (SELECT rowid FROM groups WHERE state = 'closed' AND stored_ns < :before LIMIT :step)"
    removed["groups"] = _remove(database, "groups", closed, values)
    removed["dead_letters"] = _remove(database, "dead_letters", old.format("dead_letters"), values)
    return removed


def _remove_incidents(database: Database, before_ns: int) -> dict[str, int]:
    with database.write() as db:
        ids = db.execute(
            "SELECT incident_id FROM incidents WHERE is_open = 0 AND stored_ns < ? LIMIT ?", (before_ns, _STEP // 4)
        ).fetchall()
        if not ids:
            return {}
        return {
            "alerts": _count(db.executemany("DELETE FROM alerts WHERE incident_id = ?", ids)),
            "incidents": _count(db.executemany("DELETE FROM incidents WHERE incident_id = ?", ids)),
        }


def _remove(database: Database, table: str, condition: str, values: dict[str, int]) -> int:
    removed = 0
    while True:
        with database.write() as db:
            step = db.execute(f"DELETE FROM {table} WHERE {condition}", values).rowcount  # noqa: S608 - constants
        removed += step
        if step < _STEP:
            return removed


def _count(cursor: sqlite3.Cursor) -> int:
    return max(cursor.rowcount, 0)
