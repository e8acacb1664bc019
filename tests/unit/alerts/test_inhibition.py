"""A dead feed or a halt mutes notices of prices, and nothing else does."""

from typing import Any

import pytest

from tapewatch.alerts.inhibition import inhibited_by
from tests.factories import ONSET_NS, make_alert, make_incident

STALE: dict[str, Any] = {
    "rule": "stale_feed",
    "category": "data_quality",
    "alert_type": "stale_feed",
    "direction": "none",
}


@pytest.mark.parametrize("change", [{}, {"symbol": "*"}, {"alert_type": "halt"}, {"state": "recovering"}])
def test_a_dead_feed_of_the_symbol_or_of_its_venue_mutes(change: dict[str, Any]) -> None:
    alert = make_alert(**STALE | change)
    reason = inhibited_by(make_incident(), alert.onset_ns, [make_alert(), alert])
    assert reason is not None
    assert alert.alert_id in reason


@pytest.mark.parametrize(
    "change",
    [
        {"state": "resolved"},
        {"symbol": "AAPL"},
        {"venue": "XNYS"},
        {"alert_type": "bad_print"},
        {"category": "price"},
    ],
)
def test_nothing_else_mutes(change: dict[str, Any]) -> None:
    assert inhibited_by(make_incident(), ONSET_NS, [make_alert(**STALE | change)]) is None


def test_a_data_quality_incident_is_never_muted() -> None:
    assert inhibited_by(make_incident(category="data_quality"), ONSET_NS, [make_alert(**STALE)]) is None


@pytest.mark.parametrize(("after_ns", "muted"), [(-1, False), (0, True), (59, True), (60, False), (61, False)])
def test_event_time_decides_whether_a_feed_was_dead_not_what_is_open_by_now(after_ns: int, muted: bool) -> None:
    ended = make_alert(**STALE | {"state": "resolved", "ts_event_ns": ONSET_NS + 60})
    assert ended.onset_ns == ONSET_NS
    assert (inhibited_by(make_incident(), ONSET_NS + after_ns, [ended]) is not None) == muted
