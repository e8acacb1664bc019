import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapewatch.alerts.groups import close_group, open_group
from tapewatch.model.alerts import Alert
from tapewatch.model.market import Group, MarketFindings, MarketMinute, Past
from tapewatch.model.times import MINUTE_NS, SECOND_NS
from tapewatch.notify.settings import NotifySettings
from tapewatch.runtime.notices import CURSOR, GROUP_CURSOR, Notices
from tapewatch.runtime.pipeline import Progress
from tapewatch.runtime.untold import untold
from tapewatch.stores.sqlite import (
    Database,
    SqliteAlertStore,
    SqliteCaseStore,
    SqliteCursors,
    SqliteGroupStore,
    SqliteNoticeLedger,
)
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


def notices_of(
    database: Database, alerts: SqliteAlertStore, progress: Progress | None = None, settings: NotifySettings = SETTINGS
) -> Notices:
    return Notices(
        database, alerts, SqliteCaseStore(database), SqliteGroupStore(database, now), settings, now, lambda: progress
    )


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
    with running(notices_of(database, alerts)):
        wait_until(lambda: cursors.get(CURSOR) == last)
    first = owed(database)
    assert [row[:2] for row in first] == expected
    cursors.put(CURSOR, 0)  # as if the process had died before it stored how far it was
    with running(notices_of(database, alerts)):
        wait_until(lambda: cursors.get(CURSOR) == last)
    assert owed(database) == first


def test_what_comes_while_it_runs_is_taken_when_it_is_woken(database: Database) -> None:
    alerts, cursors = SqliteAlertStore(database, now), SqliteCursors(database)
    notices = notices_of(database, alerts)
    with running(notices):
        alerts.upsert([make_alert()], [])
        notices.wake()
        wait_until(lambda: cursors.get(CURSOR) == 1)
    assert len(owed(database)) == 1


def test_a_notice_links_to_its_incident(database: Database) -> None:
    alerts = SqliteAlertStore(database, now)
    alert = make_alert()
    alerts.upsert([alert], [])
    with running(notices_of(database, alerts)):
        wait_until(lambda: bool(owed(database)))
    with database.read() as db:
        (notice,) = db.execute("SELECT notice FROM notices").fetchone()
    assert f"https://desk.example.org/incidents/{alert.incident_id}".encode() in notice


COINS = ("ALGO/USDT", "AVAX/USDT", "FIL/USDT", "NEAR/USDT")


def sell_off() -> tuple[Group, list[Alert]]:
    """Four coins that fell in the same minute, and the group that they are."""
    end_ns = ONSET_NS // MINUTE_NS * MINUTE_NS + MINUTE_NS
    past = [Past("binance", coin, False, ONSET_NS, -6_000_000, -60_000) for coin in COINS]
    group = open_group(MarketMinute("binance:USDT", end_ns, 4, 0, 4, 0, 4, 4, -24_000_000, 144_000_000, -240_000, past))
    assert group is not None
    return group, [make_alert(venue="binance", symbol=coin, currency="USDT") for coin in COINS]


def states(database: Database) -> list[tuple[str, int, str, str | None]]:
    with database.read() as db:
        return db.execute("SELECT alert_id, revision, state, last_error FROM notices ORDER BY id").fetchall()


def test_one_sell_off_is_one_notice_with_its_members_and_theirs_are_kept_with_the_reason(database: Database) -> None:
    group, members = sell_off()
    alerts, groups, cursors = (
        SqliteAlertStore(database, now),
        SqliteGroupStore(database, now),
        SqliteCursors(database),
    )
    groups.put(MarketFindings([group]))
    alerts.upsert(members, [])
    groups.put(MarketFindings([close_group(group)]))
    with running(notices_of(database, alerts)):
        wait_until(lambda: cursors.get(CURSOR) == 4 and cursors.get(GROUP_CURSOR) == 2)
    told = states(database)
    assert [row[:3] for row in told if row[2] != "suppressed"] == [
        (group.group_id, 1, "pending"),
        (group.group_id, 2, "pending"),
    ], "the beginning and the end of the group"
    muted = {row[0]: row[3] for row in told if row[2] == "suppressed"}
    assert muted.keys() == {a.alert_id for a in members}
    assert all(group.group_id in str(reason) for reason in muted.values())
    with database.read() as db:
        (notice,) = db.execute("SELECT notice FROM notices WHERE alert_id = ?", (group.group_id,)).fetchone()
    assert all(coin.encode() in notice for coin in COINS)


def test_a_move_waits_for_its_markets_minute_and_is_then_told_with_its_group(database: Database) -> None:
    group, members = sell_off()
    alerts, groups = SqliteAlertStore(database, now), SqliteGroupStore(database, now)
    progress = Progress(market_ns=ONSET_NS - MINUTE_NS, active={"binance:USDT": 4})
    notices = notices_of(database, alerts, progress, NotifySettings(group_wait_s=5.0))
    alerts.upsert(members, [])
    with running(notices):
        wait_until(lambda: len(owed(database)) == 4)
    ledger = SqliteNoticeLedger(database, now)
    assert ledger.due(ONSET_NS, 10) == []
    groups.put(MarketFindings([group]))
    assert notices.notifier.deliver_due(ONSET_NS + 5 * SECOND_NS) == 4
    assert {row[2] for row in states(database)} == {"suppressed"}


@pytest.mark.parametrize(("market_ns", "active"), [(ONSET_NS + 1, 4), (ONSET_NS - MINUTE_NS, 3)])
def test_nobody_waits_for_a_minute_that_is_over_or_for_a_market_too_small(
    database: Database, market_ns: int, active: int
) -> None:
    alerts = SqliteAlertStore(database, now)
    progress = Progress(market_ns=market_ns, active={"binance:USDT": active})
    alerts.upsert(sell_off()[1][:1], [])
    with running(notices_of(database, alerts, progress)):
        wait_until(lambda: len(owed(database)) == 1)
    assert len(SqliteNoticeLedger(database, now).due(ONSET_NS, 10)) == 1


def test_nobody_is_told_of_history_that_was_only_looked_at(database: Database) -> None:
    alerts = SqliteAlertStore(database, now)
    with untold(database):
        alerts.upsert(make_alerts(20), [])
    (later,) = make_alerts(1, seed=8)
    alerts.upsert([later], [])
    with running(notices_of(database, alerts)):
        wait_until(lambda: SqliteCursors(database).get(CURSOR) == 21)
    assert {alert_id for alert_id, *_ in owed(database)} == {later.alert_id}


def test_news_that_waited_before_history_was_looked_at_are_told_with_it(database: Database) -> None:
    alerts = SqliteAlertStore(database, now)
    alerts.upsert(make_alerts(1, seed=8), [])
    with untold(database):
        alerts.upsert(make_alerts(20), [])
    assert SqliteCursors(database).get(CURSOR) == 0


def test_a_run_through_history_that_failed_skips_nothing(database: Database) -> None:
    alerts = SqliteAlertStore(database, now)
    with pytest.raises(ZeroDivisionError), untold(database):
        alerts.upsert(make_alerts(20), [])
        raise ZeroDivisionError
    assert SqliteCursors(database).get(CURSOR) == 0
