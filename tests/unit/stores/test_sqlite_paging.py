"""Pages are read from indexes in their order: never by a scan of the table, never by a sort."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapewatch.stores.port import AlertQuery
from tapewatch.stores.sqlite import Database, SqliteAlertStore
from tapewatch.stores.sqlite import paging as paging_module
from tapewatch.stores.sqlite.paging import ALERTS, read_page
from tests.factories import ONSET_NS, make_alerts

AFTER = (ONSET_NS, "8")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "db.sqlite")
    SqliteAlertStore(database, lambda: ONSET_NS).upsert(make_alerts(300), [])
    yield database
    database.close()


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(
    "query",
    [
        AlertQuery(after=AFTER),
        AlertQuery(symbol="TSLA", after=AFTER, from_ns=ONSET_NS - 1, to_ns=ONSET_NS + 10**15),
        AlertQuery(severity=["high"], state=["firing"], after=AFTER),
        AlertQuery(symbol="TSLA", severity=["high"], rule=["price_move"]),
    ],
)
def test_a_page_seeks_in_a_covering_index(database: Database, query: AlertQuery, newest_first: bool) -> None:
    statements: list[str] = []
    with database.read() as db:
        db.set_trace_callback(statements.append)
        read_page(db, ALERTS, msgspec.structs.replace(query, newest_first=newest_first), [])
        db.set_trace_callback(None)
        plans = {s: db.execute(f"EXPLAIN QUERY PLAN {s}").fetchall() for s in statements if "LIMIT" in s}
    assert plans
    for statement, plan in plans.items():
        (step,) = (row[3] for row in plan)
        assert step.startswith("SEARCH alerts USING COVERING INDEX"), statement
        assert "(onset_ns,alert_id)" in step, statement  # the cursor is sought, not skipped to


def test_very_many_classes_are_read_along_time_with_the_same_result(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteAlertStore(database, lambda: ONSET_NS)
    query = AlertQuery(severity=["high", "critical"], after=AFTER, newest_first=False, limit=20)
    merged = store.page(query)
    monkeypatch.setattr(paging_module, "_MERGE_AT_MOST", 2)
    assert len(merged) == 20
    assert store.page(query) == merged
