"""The SQLite stores alone: pages of 100 out of N stored alerts under many filters, and a shard's commit.

Milliseconds at the median and at p99 for each query, and for commits of 500 rows of 1 KB with 20 outbox entries.
"""

import itertools
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.speed.stored import APART_NS, START_NS, fill
from tapewatch.model.times import MINUTE_NS
from tapewatch.runtime.embedded import DATABASE
from tapewatch.stores.port import AlertQuery, Commit, OutboxEntry, StateRow
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteShardStore


def queries(n: int) -> dict[str, AlertQuery]:
    """Filters that are broad, narrow, rare, deep and empty, alone and combined."""
    middle = START_NS + n * APART_NS // 2
    hour = 60 * MINUTE_NS
    return {
        "newest": AlertQuery(),
        "oldest": AlertQuery(newest_first=False),
        "deep cursor": AlertQuery(after=(middle, "8")),
        "range of an hour": AlertQuery(from_ns=middle, to_ns=middle + hour),
        "symbol": AlertQuery(symbol="S123"),
        "symbol, range": AlertQuery(symbol="S123", from_ns=middle, to_ns=middle + 100 * hour),
        "critical": AlertQuery(severity=["critical"]),
        "firing": AlertQuery(state=["firing"]),
        "critical, firing, one rule, drop": AlertQuery(
            severity=["critical"], state=["firing"], rule=["sma"], direction=["drop"]
        ),
        "symbol, critical, retracted": AlertQuery(symbol="S123", severity=["critical"], state=["retracted"]),
        "high and critical, deep, oldest first": AlertQuery(
            severity=["high", "critical"], newest_first=False, after=(middle, "8")
        ),
        "category, direction, range": AlertQuery(
            category=["data_quality"], direction=["rise"], from_ns=middle, to_ns=middle + 10 * hour
        ),
        "all but one state": AlertQuery(state=["resolved", "retracted", "recovering"]),
        "incident": AlertQuery(incident_id="S123-100"),
        "nothing matches": AlertQuery(venue="XLON"),
    }


def _timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    return {"p50_ms": round(took[len(took) // 2], 3), "p99_ms": round(took[int(len(took) * 0.99)], 3)}


def _commit_times(database: Database) -> dict[str, float]:
    store = SqliteShardStore(database)
    head, _ = store.claim("bench", "i", "f")
    position = itertools.count(head.next)

    def commit() -> None:
        start = next(position)
        rows = [StateRow(f"XNAS|S{i:03d}|hot", random.randbytes(1024)) for i in range(500)]
        outbox = [OutboxEntry("alert", "TSLA", b"x" * 1500)] * 20
        store.commit(
            Commit("bench", head.incarnation, head.fingerprint, head.epoch, start, start + 1, rows, outbox, {})
        )

    return _timed(commit, 300)


def bench(folder: Path, alerts: int = 1_000_000, repeats: int = 300) -> dict[str, object]:
    """In `folder / stored`, which the benchmarks of the API and of reports use too."""
    filled_s = fill(folder / "stored", alerts)
    database = Database(folder / "stored" / DATABASE)
    store = SqliteAlertStore(database, time.time_ns)
    pages = {name: _timed(partial(store.page, query), repeats) for name, query in queries(alerts).items()}
    database.close()
    commits = Database(folder / "commits.sqlite")
    took = _commit_times(commits)
    commits.close()
    return {"figures": {"alerts": alerts, "fill_s": round(filled_s, 1), "commit": took, "pages": pages}, "targets": []}
