import gc
import tracemalloc
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tapewatch.model.alerts import SEVERITIES, Alert
from tapewatch.model.errors import InputError
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS, parse_rfc3339
from tapewatch.reports.content import severity_key, summarise, zone_of
from tapewatch.reports.port import ReportRequest
from tests.factories import ONSET_NS, make_alert, make_alerts, make_case
from tests.unit.reports.sources import EndlessSource

UTC = ZoneInfo("UTC")


def test_every_alert_is_counted_once_in_each_breakdown() -> None:
    alerts = make_alerts(500)
    summary = summarise(((alert, None) for alert in alerts), UTC)
    assert summary.total == 500
    for parts in (summary.by_severity, summary.by_day, summary.by_state, summary.by_disposition):
        assert sum(parts.values()) == 500
    for tallies in (summary.by_rule, summary.by_symbol, summary.by_category):
        assert sum(tally.total for tally in tallies.values()) == 500
        assert sum(sum(tally.by_severity.values()) for tally in tallies.values()) == 500


def test_the_kept_alerts_are_the_most_severe_in_the_order_of_their_onsets() -> None:
    alerts = make_alerts(300)
    kept = [alert for alert, _ in summarise(((a, None) for a in alerts), UTC, keep=20).worst]
    expected = sorted(alerts, key=severity_key, reverse=True)[:20]
    assert kept == sorted(expected, key=lambda alert: (alert.onset_ns, alert.alert_id))


def test_severity_goes_before_score_and_the_earlier_of_equals_before_the_later() -> None:
    capped = make_alert(score=99.0, severity="medium")
    high = make_alert(score=75.0, severity="high")
    later = make_alert(score=75.0, severity="high", onset_ns=ONSET_NS + 1)
    assert severity_key(capped) < severity_key(later) < severity_key(high)
    assert SEVERITIES[-1] == "critical"


def test_alerts_of_one_incident_are_one_episode_named_by_its_worst() -> None:
    first = make_alert(score=70.0)
    worst = make_alert(score=93.0, rule="robust_return", onset_ns=ONSET_NS + MINUTE_NS, incident_id=first.incident_id)
    other = make_alert(symbol="AAPL", score=80.0, onset_ns=ONSET_NS + MINUTE_NS)
    last = make_alert(score=71.0, rule="sma", onset_ns=ONSET_NS + 2 * MINUTE_NS, incident_id=first.incident_id)
    summary = summarise([(a, None) for a in (first, worst, other, last)], UTC)
    assert summary.incidents == summary.price_incidents == 2
    assert [(e.worst.alert_id, e.onset_ns, e.alerts) for e in summary.episodes] == [
        (worst.alert_id, ONSET_NS, 3),
        (other.alert_id, other.onset_ns, 1),
    ]


def test_an_incident_of_prices_and_volumes_is_one_episode_and_one_on_the_data_another() -> None:
    first = make_alert(category="volume", rule="volume_spike", score=70.0)
    quality = make_alert(category="data_quality", rule="bad_print", onset_ns=ONSET_NS + 1, incident_id="quality")
    price = make_alert(score=93.0, onset_ns=ONSET_NS + MINUTE_NS, incident_id=first.incident_id)
    again = make_alert(category="volume", onset_ns=ONSET_NS + 2 * MINUTE_NS, incident_id=first.incident_id)
    summary = summarise([(a, None) for a in (first, quality, price, again)], UTC)
    assert (summary.incidents, summary.price_incidents) == (2, 1)
    assert [(e.worst.alert_id, e.alerts) for e in summary.episodes] == [(price.alert_id, 3)]


def test_what_was_decided_about_any_alert_of_an_incident_is_its_decision() -> None:
    first = make_alert(score=70.0)
    worst = make_alert(score=93.0, rule="robust_return", onset_ns=ONSET_NS + MINUTE_NS, incident_id=first.incident_id)
    news, error = make_case(disposition="news"), make_case(disposition="data_error")
    taken = make_case(status="acknowledged", disposition=None)
    for cases, decided in (((news, None), news), ((news, taken), news), ((news, error), error), ((None, taken), taken)):
        (episode,) = summarise(zip((first, worst), cases, strict=True), UTC).episodes
        assert episode.case == decided


def test_data_quality_and_retracted_alerts_are_counted_but_not_charted() -> None:
    quality = make_alert(category="data_quality", rule="bad_print")
    retracted = make_alert(state="retracted", symbol="AAPL")
    summary = summarise([(quality, None), (retracted, None)], UTC)
    assert summary.incidents == 2
    assert summary.episodes == []
    assert summary.price_incidents == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_an_incident_of_which_something_stands_is_charted_by_the_worst_that_does(order: tuple[int, ...]) -> None:
    alerts = [
        make_alert(incident_id="i", score=95.0, severity="critical", state="retracted"),
        make_alert(incident_id="i", score=70.0, severity="medium", alert_id="a"),
        make_alert(incident_id="i", score=80.0, severity="high", alert_id="b"),
    ]
    summary = summarise([(alerts[k], None) for k in order], UTC)
    assert summary.price_incidents == 1
    assert [e.worst.alert_id for e in summary.episodes] == ["b"]


def test_days_are_those_of_the_zone() -> None:
    late = make_alert(onset_ns=parse_rfc3339("2025-04-08T03:59:59Z"))
    early = make_alert(onset_ns=parse_rfc3339("2025-04-08T04:00:00Z"))
    summary = summarise([(late, None), (early, None)], ZoneInfo("America/New_York"))
    assert summary.busiest_days(5) == [("2025-04-07", 1), ("2025-04-08", 1)]


def test_the_busiest_days_come_first_and_of_equals_the_earlier() -> None:
    onsets = [ONSET_NS, ONSET_NS + DAY_NS, ONSET_NS + DAY_NS + HOUR_NS, ONSET_NS + 2 * DAY_NS]
    summary = summarise([(make_alert(onset_ns=ns), None) for ns in onsets], UTC)
    assert summary.busiest_days(2) == [("2025-04-08", 2), ("2025-04-07", 1)]


def test_decisions_are_counted_and_what_nobody_decided_is_open() -> None:
    decided, seen, untouched = make_alert(), make_alert(symbol="AAPL"), make_alert(symbol="NFLX")
    acknowledged = make_case(status="acknowledged", disposition=None)
    summary = summarise([(decided, make_case()), (seen, acknowledged), (untouched, None)], UTC)
    assert dict(summary.by_disposition) == {"news": 1, "open": 2}
    assert summary.acknowledged == 2


def test_alerts_that_have_not_ended_are_provisional() -> None:
    states = ("firing", "recovering", "resolved", "retracted")
    summary = summarise([(make_alert(state=state), None) for state in states], UTC)
    assert summary.provisional == 2


def test_memory_does_not_grow_with_the_number_of_alerts() -> None:
    base = make_alert()

    def make(k: int) -> Alert:
        return msgspec.structs.replace(base, onset_ns=ONSET_NS + k * MINUTE_NS // 100, incident_id=str(k))

    def peak(n: int) -> int:
        source = EndlessSource(n, make)
        gc.collect()
        tracemalloc.start()
        summarise(source.alerts(ReportRequest(format="pdf")), UTC, keep=50, charts=5)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)  # caches of zones and formats
    assert peak(20_000) < 2 * peak(2_000)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "America"])
def test_an_unknown_zone_is_an_error_that_names_it(zone: str) -> None:
    with pytest.raises(InputError, match="time zone"):
        zone_of(ReportRequest(format="pdf", zone=zone))
