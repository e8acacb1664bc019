"""One alert with everything that a person decides by: the numbers, its market, the past, who was told, a picture."""

from pathlib import Path

from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.ledger import LedgerRow
from tapewatch.model.times import DAY_NS
from tapewatch.reports.content import Episode
from tapewatch.stores.memory import MemoryAlertStore, MemoryCaseStore
from tapewatch.stores.sqlite import Database, SqliteNoticeLedger
from tests.factories import ONSET_NS, make_alert
from tests.unit.web.support import make_client

ALERT = make_alert(notional=1_250_000.0, notional_ratio=12.5, state="firing")


def test_an_alert_carries_its_numbers_and_what_became_of_the_symbols_last_incidents() -> None:
    day_before = make_alert(onset_ns=ONSET_NS - DAY_NS)
    month_before = make_alert(onset_ns=ONSET_NS - 31 * DAY_NS)
    other = make_alert(symbol="AAPL", onset_ns=ONSET_NS - DAY_NS)
    alerts, cases = MemoryAlertStore(), MemoryCaseStore()
    alerts.upsert([ALERT, day_before, month_before, other], [])
    entry = AuditEntry(seq=0, at_ns=1, actor="ann", action="close", subject="a", detail={})
    cases.put(Case(alert_id=day_before.alert_id, version=1, status="closed", disposition="news"), entry)
    detail = make_client(alerts=alerts, cases=cases).get(f"/v1/alerts/{ALERT.alert_id}").json()
    told = detail["explanation"]
    assert (told["notional"], told["notional_ratio"], told["currency"]) == (1_250_000.0, 12.5, "USD")
    assert (told["provisional"], told["market_move"], told["group_id"]) == (True, None, None)
    assert (told["onset"], told["last_ticks"]) == (ALERT.onset, [list(t) for t in ALERT.last_ticks])
    assert [(h["incident_id"], h["dispositions"]) for h in detail["history"]] == [(day_before.incident_id, ["news"])]
    assert detail["notices"] is None, "without a ledger nobody can say"


def test_it_can_be_seen_who_was_told_and_why_others_were_not(tmp_path: Path) -> None:
    alerts, database = MemoryAlertStore(), Database(tmp_path / "t.sqlite")
    alerts.upsert([ALERT], [])
    ledger = SqliteNoticeLedger(database, lambda: ONSET_NS)
    rows = [
        LedgerRow(alert_id=ALERT.alert_id, revision=1, channel="slack", recipient="desk", state="done", attempts=1),
        LedgerRow(
            alert_id=ALERT.alert_id, revision=2, channel="slack", recipient="desk", state="suppressed",
            last_error="told once for all with group g",
        ),
    ]  # fmt: skip
    ledger.owe(rows)
    notices = make_client(alerts=alerts, notices=ledger).get(f"/v1/alerts/{ALERT.alert_id}").json()["notices"]
    assert [(n["revision"], n["state"], n["reason"], n["at"]) for n in notices] == [
        (1, "done", None, ALERT.onset),
        (2, "suppressed", "told once for all with group g", ALERT.onset),
    ]
    database.close()


def test_an_incident_is_drawn_once_there_is_something_to_draw_it() -> None:
    alerts, asked = MemoryAlertStore(), list[Episode]()
    alerts.upsert([ALERT], [])

    def chart(episode: Episode) -> str:
        asked.append(episode)
        return "<svg/>"

    address = f"/v1/incidents/{ALERT.incident_id}/chart"
    drawn = make_client(alerts=alerts, chart=chart).get(address)
    assert (drawn.status_code, drawn.text, drawn.headers["content-type"]) == (200, "<svg/>", "image/svg+xml")
    assert [(e.incident_id, e.worst) for e in asked] == [(ALERT.incident_id, ALERT)]
    assert make_client(alerts=alerts).get(address).status_code == 404
    assert make_client(alerts=alerts, chart=chart).get(f"/v1/incidents/{'0' * 32}/chart").status_code == 404
