"""Folding alerts into incidents, and what of it is news."""

import itertools

import msgspec
import pytest

from tapewatch.alerts.incidents import WORSE_BY, event, fold
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.errors import InputError
from tapewatch.model.times import MINUTE_NS
from tests.factories import ONSET_NS, make_alert


def _alert(name: str, **changed: object) -> Alert:
    return make_alert(alert_id=name, incident_id="i", **changed)


def _incident(**changed: object) -> Incident:
    return msgspec.structs.replace(fold([_alert("a", peak_change_pct=-4.0)]), **changed)


def test_an_incident_of_one_alert_says_what_the_alert_says() -> None:
    alert = _alert("a", ts_event_ns=ONSET_NS + MINUTE_NS)
    assert fold([alert]) == Incident(
        incident_id="i",
        category="price",
        venue="XNAS",
        symbol="TSLA",
        state="open",
        severity=alert.severity,
        score=alert.score,
        onset=alert.onset,
        onset_ns=ONSET_NS,
        updated_ns=ONSET_NS + MINUTE_NS,
        direction="drop",
        peak_change_pct=alert.peak_change_pct,
        message=alert.message,
        alerts=["a"],
        open_alerts=1,
    )


@pytest.mark.parametrize("alerts", [[], [make_alert(incident_id="i"), make_alert(incident_id="j")]])
def test_only_the_alerts_of_one_incident_can_be_folded(alerts: list[Alert]) -> None:
    with pytest.raises(InputError, match="cannot fold"):
        fold(alerts)


@pytest.mark.parametrize(
    ("states", "state", "open_alerts"),
    [
        (["firing", "resolved"], "open", 1),
        (["recovering", "retracted"], "open", 1),
        (["firing", "recovering"], "open", 2),
        (["resolved", "resolved"], "resolved", 0),
        (["resolved", "retracted"], "resolved", 0),
        (["retracted", "retracted"], "retracted", 0),
    ],
)
def test_the_state_follows_from_those_of_the_alerts(states: list[str], state: str, open_alerts: int) -> None:
    incident = fold([_alert(str(i), state=s) for i, s in enumerate(states)])
    assert (incident.state, incident.open_alerts) == (state, open_alerts)


def test_the_order_in_which_alerts_are_read_does_not_matter() -> None:
    alerts = [
        _alert("c", score=80.0, direction="rise", onset_ns=ONSET_NS),
        _alert("a", score=80.0, direction="drop", onset_ns=ONSET_NS),
        _alert("b", score=80.0, direction="drop", onset_ns=ONSET_NS - MINUTE_NS, state="resolved"),
    ]
    assert len({msgspec.json.encode(fold(list(order))) for order in itertools.permutations(alerts)}) == 1
    assert fold(alerts).alerts == ["b", "a", "c"]
    assert fold(alerts).onset_ns == ONSET_NS - MINUTE_NS


@pytest.mark.parametrize(
    ("alerts", "category"),
    [
        ([("volume", "firing"), ("price", "firing")], "price"),
        ([("price", "firing"), ("volume", "firing")], "price"),
        ([("price", "retracted"), ("volume", "firing")], "volume"),
        ([("price", "retracted"), ("volume", "retracted")], "price"),
        ([("volume", "resolved")], "volume"),
        ([("data_quality", "retracted"), ("data_quality", "firing")], "data_quality"),
    ],
)
def test_an_incident_is_about_prices_where_an_alert_that_counts_is(
    alerts: list[tuple[str, str]], category: str
) -> None:
    incident = fold([_alert(str(i), category=c, state=s) for i, (c, s) in enumerate(alerts)])
    assert incident.category == category


def test_direction_peak_and_message_are_those_of_the_most_severe_side() -> None:
    alerts = [
        _alert("a", score=95.0, severity="critical", direction="drop", peak_change_pct=-6.0, message="the worst"),
        _alert("b", score=70.0, severity="medium", direction="drop", peak_change_pct=-9.0, message="farther"),
        _alert("c", score=80.0, severity="high", direction="rise", peak_change_pct=12.0, message="the other way"),
    ]
    incident = fold(alerts)
    assert (incident.direction, incident.peak_change_pct, incident.message) == ("drop", -9.0, "the worst")
    assert (incident.severity, incident.score) == ("critical", 95.0)


def test_a_rise_peaks_at_its_highest() -> None:
    alerts = [_alert(n, direction="rise", peak_change_pct=p) for n, p in (("a", 3.0), ("b", 7.0), ("c", 5.0))]
    assert fold(alerts).peak_change_pct == 7.0


def test_an_alert_without_direction_has_its_own_peak() -> None:
    stale = _alert("a", direction="none", peak_change_pct=0.0, score=99.0)
    assert fold([stale, _alert("b", peak_change_pct=-3.0)]).peak_change_pct == 0.0


def test_a_retracted_alert_does_not_speak_for_the_incident_while_others_stand() -> None:
    gone = _alert("a", score=95.0, state="retracted", direction="rise", peak_change_pct=900.0, message="a bad print")
    stands = _alert("b", score=70.0, direction="drop", peak_change_pct=-2.0, message="a drop")
    incident = fold([gone, stands])
    assert (incident.direction, incident.peak_change_pct, incident.message) == ("drop", -2.0, "a drop")
    assert incident.severity == "critical"  # the highest that any of its alerts reached
    assert fold([gone]).message == "a bad print"


def test_what_was_never_told_opens() -> None:
    assert event(None, _incident()) == "opened"


def test_what_opened_and_ended_in_one_step_is_still_told_unless_it_was_withdrawn() -> None:
    assert event(None, _incident(state="resolved")) == "opened"
    assert event(None, _incident(state="retracted")) is None


@pytest.mark.parametrize("state", ["resolved", "retracted"])
def test_the_end_is_told_once(state: str) -> None:
    ended = _incident(state=state)
    assert event(_incident(), ended) == "resolved"
    assert event(ended, ended) is None
    assert event(ended, _incident(state="retracted")) is None


def test_an_incident_that_fires_again_opens_again() -> None:
    assert event(_incident(state="resolved"), _incident()) == "opened"


def test_the_same_again_is_no_news() -> None:
    assert event(_incident(), _incident(open_alerts=2, updated_ns=1, score=89.0)) is None


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [("medium", "high", "worsened"), ("high", "critical", "worsened"), ("high", "high", None), ("high", "low", None)],
)
def test_only_a_higher_severity_band_is_worse(before: str, after: str, news: str | None) -> None:
    assert event(_incident(severity=before), _incident(severity=after)) == news


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (-4.0, -4.0 * WORSE_BY, "worsened"),
        (-4.0, -4.0 * WORSE_BY + 1e-9, None),
        (-4.0, 6.5, "worsened"),
        (-4.0, 5.0, None),
        (-4.0, -1.0, None),
        (0.0, 0.0, None),
        (0.0, 0.1, "worsened"),
    ],
)
def test_a_peak_is_worse_from_a_multiple_of_the_told_one(before: float, after: float, news: str | None) -> None:
    assert event(_incident(peak_change_pct=before), _incident(peak_change_pct=after)) == news
