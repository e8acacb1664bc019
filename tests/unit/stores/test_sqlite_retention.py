"""What retention removes, and what it must leave."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.report_task import ReportTask, TaskStatus
from tapewatch.model.ticks import DeadLetter
from tapewatch.model.times import DAY_NS
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.schedules import Schedule, Scheduler
from tapewatch.reports.tasks import ReportTasks
from tapewatch.stores.port import AlertQuery, LedgerRow
from tapewatch.stores.sqlite import (
    Database,
    SqliteAlertStore,
    SqliteCaseStore,
    SqliteDeadLetterStore,
    SqliteNoticeLedger,
    SqliteTaskStore,
    retain,
)
from tests.factories import make_alert, make_alerts, make_signal
from tests.unit.reports.sources import ListSource

REPORTS = {"report_files": 0, "report_tasks": 0, "groups": 0, "market_minutes": 0}
OLD, NEW, NOW = 1 * DAY_NS, 40 * DAY_NS, 50 * DAY_NS


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "db.sqlite")
    yield database
    database.close()


def _clock(now_ns: int) -> Callable[[], int]:
    return lambda: now_ns


def test_old_records_go_and_new_ones_stay(database: Database) -> None:
    for at, name in ((OLD, "old"), (NEW, "new")):
        alert = make_alert(alert_id=name, incident_id=name, state="resolved")
        SqliteAlertStore(database, _clock(at)).upsert([alert], [make_signal(signal_id=name)])
        letter = DeadLetter(source=name, position=1, offset=1, reason="x", raw="")
        SqliteDeadLetterStore(database, _clock(at)).add([letter])
        row = LedgerRow(alert_id=name, revision=1, channel="c", recipient="r", state="done")
        SqliteNoticeLedger(database, _clock(at)).owe([row])
    removed = retain(database, NOW, 30)
    assert (
        removed == {"alerts": 1, "incidents": 1, "signals": 1, "changes": 1, "notices": 1, "dead_letters": 1} | REPORTS
    )
    store = SqliteAlertStore(database, lambda: NOW)
    assert [a.alert_id for a in store.page(AlertQuery())] == ["new"]
    assert [i.incident_id for i in store.incidents(AlertQuery())] == ["new"]
    assert [s.signal_id for s in store.signals(AlertQuery())] == ["new"]
    assert [(seq, a.alert_id) for seq, a in store.changes(0, 10)] == [(2, "new")]
    assert [n.seq for n in store.news(0, 10)] == [2]
    assert [x.source for _, x in SqliteDeadLetterStore(database, lambda: NOW).dead_letters(0, 10)] == ["new"]
    assert set(retain(database, NOW, 30).values()) == {0}


def test_an_incident_goes_with_all_its_alerts_or_not_at_all(database: Database) -> None:
    one, two = (make_alert(alert_id=name, incident_id="i", state="resolved") for name in "ab")
    SqliteAlertStore(database, lambda: OLD).upsert([one], [])
    SqliteAlertStore(database, lambda: NEW).upsert([two], [])
    assert retain(database, NOW, 30)["alerts"] == 0
    assert retain(database, NOW, 5)["alerts"] == 2


def test_open_incidents_owed_notices_cases_and_the_audit_stay(database: Database) -> None:
    SqliteAlertStore(database, lambda: OLD).upsert([make_alert()], [])
    owed = LedgerRow(alert_id="a", revision=1, channel="c", recipient="r")
    SqliteNoticeLedger(database, lambda: OLD).owe([owed])
    entry = AuditEntry(seq=0, at_ns=OLD, actor="ann", action="comment", subject="a", detail={})
    cases = SqliteCaseStore(database)
    cases.put(Case(alert_id="a", version=1), entry)
    removed = retain(database, NOW, 0)
    assert (
        removed == {"alerts": 0, "incidents": 0, "signals": 0, "changes": 1, "notices": 0, "dead_letters": 0} | REPORTS
    )
    assert SqliteNoticeLedger(database, lambda: NOW).due(NOW, 10) == [owed]
    assert len(cases.audit(None, 0, 10)) == len(cases.cases(["a"])) == 1


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET subject = 'b'"])
def test_the_audit_is_only_ever_appended_to_whoever_asks(database: Database, statement: str) -> None:
    cases = SqliteCaseStore(database)
    entry = cases.audit_append(AuditEntry(seq=0, at_ns=OLD, actor="ann", action="comment", subject="a", detail={}))
    with pytest.raises(sqlite3.IntegrityError, match="only ever appended"), database.write() as db:
        db.execute(statement)
    assert cases.audit(None, 0, 10) == [entry]


def test_the_change_log_is_cut_by_count_and_its_numbers_go_on(database: Database) -> None:
    store = SqliteAlertStore(database, lambda: NOW)
    alerts = make_alerts(20)
    store.upsert(alerts, [])
    assert retain(database, NOW, 30, changes_kept=5)["changes"] == 15
    assert [seq for seq, _ in store.changes(0, 100)] == [16, 17, 18, 19, 20]
    assert retain(database, NOW, 30, changes_kept=0)["changes"] == 5
    store.upsert([msgspec.structs.replace(alerts[0], revision=99)], [])
    assert [seq for seq, _ in store.changes(0, 100)] == [21]


def test_more_than_one_step_of_old_records_goes(database: Database) -> None:
    store = SqliteAlertStore(database, lambda: OLD)
    alerts = [make_alert(alert_id=str(i), incident_id=str(i), state="resolved") for i in range(1_200)]
    signals = [make_signal(signal_id=str(i)) for i in range(4_500)]
    store.upsert(alerts, signals)
    removed = retain(database, NOW, 30)
    assert (removed["alerts"], removed["signals"], removed["changes"]) == (1_200, 4_500, 1_200)


def test_a_negative_age_is_a_mistake_of_the_caller(database: Database) -> None:
    with pytest.raises(ValueError, match="cannot keep -1 days"):
        retain(database, NOW, -1)


def test_finished_reports_go_with_their_files_and_unfinished_ones_stay(database: Database) -> None:
    store = SqliteTaskStore(database)
    tasks: list[tuple[str, TaskStatus, int]] = [
        ("old", "done", OLD), ("late", "failed", OLD), ("waits", "queued", OLD), ("new", "done", NEW)
    ]  # fmt: skip
    for name, status, at in tasks:
        store.put(ReportTask(task_id=name, status=status, created_ns=at, updated_ns=at, request=b"{}"), b"file")
    removed = retain(database, NOW, 30)
    assert (removed["report_tasks"], removed["report_files"]) == (2, 2)
    assert [name for name in ("old", "late", "waits", "new") if store.get(name)] == ["waits", "new"]
    assert [name for name in ("old", "late", "waits", "new") if store.content(name)] == ["waits", "new"]


def test_a_scheduled_report_is_made_once_however_short_records_are_kept(database: Database) -> None:
    clock = [NOW]
    tasks = ReportTasks(
        store=SqliteTaskStore(database), source=ListSource(), now=lambda: clock[0], new_id=lambda: "never"
    )
    schedule = Schedule("daily", 0, 0, ReportRequest(format="csv"))
    scheduler = Scheduler([schedule], tasks, now=lambda: clock[0], started_ns=NOW - 1)
    for _ in range(4):
        assert scheduler.submit_due() == 1
        assert tasks.work_once() is not None
        for _ in range(12):
            clock[0] += DAY_NS // 12
            retain(database, clock[0] - 1, 1)
            assert clock[0] % DAY_NS == 0 or scheduler.submit_due() == 0
