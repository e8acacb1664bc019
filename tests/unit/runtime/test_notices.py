import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapewatch.notify.settings import NotifySettings
from tapewatch.runtime.notices import CURSOR, Notices
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteCursors
from tests.factories import ONSET_NS, make_alert, make_alerts

SETTINGS = NotifySettings(link="https://desk.example.org/incidents/{incident_id}")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "t.sqlite")
    yield database
    database.close()


def now() -> int:
    return ONSET_NS


def owed(database: Database) -> list[tuple[str, int, str, str]]:
    with database.read() as db:
        return db.execute("SELECT alert_id, revision, channel, recipient FROM notices ORDER BY id").fetchall()


@contextmanager
def running(notices: Notices) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=notices.run, args=(stop,))
    thread.start()
    yield
    stop.set()
    notices.wake()
    thread.join(5)
    assert not thread.is_alive()


def wait_until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 5
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_news_become_notices_once_even_where_a_crash_lost_the_cursor(database: Database) -> None:
    alerts, cursors = SqliteAlertStore(database, now), SqliteCursors(database)
    alerts.upsert([a for a in make_alerts(30) if a.state == "firing"], [])
    expected = [(n.alert.alert_id, n.alert.revision) for n in alerts.news(0, 1000)]
    last = alerts.news(0, 1000)[-1].seq
    assert len(expected) > 2
    with running(Notices(database, alerts, SETTINGS, now)):
        wait_until(lambda: cursors.get(CURSOR) == last)
    first = owed(database)
    assert [row[:2] for row in first] == expected
    cursors.put(CURSOR, 0)  # as if the process had died before it stored how far it was
    with running(Notices(database, alerts, SETTINGS, now)):
        wait_until(lambda: cursors.get(CURSOR) == last)
    assert owed(database) == first


def test_what_comes_while_it_runs_is_taken_when_it_is_woken(database: Database) -> None:
    alerts, cursors = SqliteAlertStore(database, now), SqliteCursors(database)
    notices = Notices(database, alerts, SETTINGS, now)
    with running(notices):
        alerts.upsert([make_alert()], [])
        notices.wake()
        wait_until(lambda: cursors.get(CURSOR) == 1)
    assert len(owed(database)) == 1


def test_a_notice_links_to_its_incident(database: Database) -> None:
    alerts = SqliteAlertStore(database, now)
    alert = make_alert()
    alerts.upsert([alert], [])
    with running(Notices(database, alerts, SETTINGS, now)):
        wait_until(lambda: bool(owed(database)))
    with database.read() as db:
        (notice,) = db.execute("SELECT notice FROM notices").fetchone()
    assert f"https://desk.example.org/incidents/{alert.incident_id}".encode() in notice
