"""A dead feed or a halt mutes notices of prices, and nothing else does."""

from typing import Any

import pytest

from tapewatch.alerts.inhibition import inhibited_by
from tests.factories import make_alert, make_incident

STALE: dict[str, Any] = {
    "rule": "stale_feed",
    "category": "data_quality",
    "alert_type": "stale_feed",
    "direction": "none",
}


@pytest.mark.parametrize("change", [{}, {"symbol": "*"}, {"alert_type": "halt"}, {"state": "recovering"}])
def test_a_dead_feed_of_the_symbol_or_of_its_venue_mutes(change: dict[str, Any]) -> None:
    alert = make_alert(**STALE | change)
    reason = inhibited_by(make_incident(), [make_alert(), alert])
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
    assert inhibited_by(make_incident(), [make_alert(**STALE | change)]) is None


def test_a_data_quality_incident_is_never_muted() -> None:
    assert inhibited_by(make_incident(category="data_quality"), [make_alert(**STALE)]) is None
