"""The life of an alert, each transition through the engine: `price_move` (3, 5, 10 % in a minute) on one-minute bars of
the regular session, unless said otherwise."""

from dataclasses import replace
from typing import Any

import pytest

from tapewatch.model.alerts import Alert
from tapewatch.model.times import HOUR_NS, MINUTE_NS, SECOND_NS, parse_rfc3339
from tests.unit.detection.support import (
    BTC,
    REGULAR_NS,
    TSLA,
    Run,
    Tick,
    bars,
    beat,
    calm,
    changes,
    run,
    trade,
    watching,
)

WARM = 30
EVENT_NS = REGULAR_NS + WARM * MINUTE_NS


def course(*closes: float, volume: float = 2000.0, then: tuple[Tick, ...] = (), **rule: Any) -> Run:
    """Thirty calm bars around 100, then these closes on twice the volume, so that a move is confirmed by it."""
    quiet = bars(TSLA, calm(WARM))
    told = [replace(t, volume=volume) for t in bars(TSLA, closes, EVENT_NS)]
    return run(watching(price_move=rule), [*quiet, *told, *then])


def steps(found: Run) -> list[str]:
    return [a.change for a in found.alerts]


def revisions(alerts: list[Alert]) -> list[int]:
    return [a.revision for a in alerts]


def test_a_signal_opens_an_alert_that_tells_what_was_before() -> None:
    (alert,) = course(104.0).alerts
    assert (alert.revision, alert.change, alert.state) == (1, "fired", "firing")
    assert (alert.direction, alert.alert_type) == ("rise", "rise")
    assert (alert.onset_ns, alert.onset_k, alert.ts_event_ns) == (EVENT_NS, 0, EVENT_NS)
    assert (alert.price, alert.price_extreme, alert.severity, alert.phase) == (104.0, 104.0, "medium", "regular")
    assert alert.price_before == pytest.approx(100.0, abs=0.02)
    assert alert.change_pct == pytest.approx(alert.value)
    assert alert.local_time == "2025-04-07 10:30:00-04:00"
    assert alert.notional == 104.0 * 2000.0
    assert alert.notional_ratio is not None
    assert 1.0 < alert.notional_ratio < 4.0


def test_a_higher_band_worsens_though_the_extreme_is_not_half_as_large_again() -> None:
    found = course(104.9, 102.2, 107.32)
    assert steps(found) == ["fired", "worsened"]
    first, second = found.alerts
    assert (first.severity, second.severity) == ("medium", "high")
    assert second.peak_change_pct < 1.5 * first.peak_change_pct
    assert (second.revision, second.signals, second.alert_id) == (2, 2, first.alert_id)


def test_an_extreme_of_one_and_a_half_times_what_was_told_worsens_without_a_signal() -> None:
    found = course(104.0, 106.1)
    assert steps(found) == ["fired", "worsened"]
    assert [a.signals for a in found.alerts] == [1, 1]
    assert len(found.signals) == 1
    assert found.alerts[1].price_extreme == 106.1


def test_an_extreme_below_that_is_no_news_but_the_next_revision_shows_it() -> None:
    found = course(104.0, 105.0, *[104.5] * 10)
    assert steps(found) == ["fired", "recovering"]
    assert found.alerts[1].price_extreme == 105.0


def test_worse_is_measured_from_what_was_told_last() -> None:
    assert steps(course(104.0, 106.1, 107.5, 108.9)) == ["fired", "worsened"]
    assert steps(course(104.0, 106.1, 107.5, 108.9, 110.4)) == ["fired", "worsened", "worsened"]


def test_after_ten_quiet_bars_it_recovers_and_after_ten_more_it_resolves_at_the_new_level() -> None:
    found = course(*[104.0] * 21)
    assert changes(found.alerts) == [("fired", None), ("recovering", None), ("resolved", "new_level")]
    assert revisions(found.alerts) == [1, 2, 3]
    assert [(a.ts_event_ns - EVENT_NS) // MINUTE_NS for a in found.alerts] == [0, 10, 20]
    assert [a.state for a in found.alerts] == ["firing", "recovering", "resolved"]


def test_it_resolves_as_reverted_where_under_half_of_the_peak_is_left() -> None:
    found = course(104.0, 102.8, *[101.6] * 20)
    assert changes(found.alerts)[-1] == ("resolved", "reverted")
    assert "resolved as reverted (now +1." in found.alerts[-1].message


def test_a_move_above_half_the_threshold_keeps_it_from_calming_down() -> None:
    closes = [104.0]
    for i in range(30):
        closes.append(closes[-1] * (1.017 if i % 6 == 5 else 0.9968))
    assert "recovering" not in steps(course(*closes))


def test_it_fires_again_from_recovering_under_the_same_id() -> None:
    found = course(*[104.0] * 11, 107.7, 107.8)
    assert steps(found) == ["fired", "recovering", "refired"]
    assert len({a.alert_id for a in found.alerts}) == 1
    assert revisions(found.alerts) == [1, 2, 3]
    assert found.alerts[-1].state == "firing"
    assert found.alerts[-1].price_extreme == 107.7


def test_what_was_told_when_it_fired_again_is_what_worse_is_measured_from() -> None:
    assert steps(course(*[104.0] * 11, 107.7, 108.0, 109.0, 110.0, 111.0)) == ["fired", "recovering", "refired"]


def test_a_session_s_end_resolves_dated_to_the_end() -> None:
    end_ns = parse_rfc3339("2025-04-07T20:00:00-04:00")
    found = course(104.0, then=(beat(end_ns), beat(end_ns + SECOND_NS)))
    assert changes(found.alerts) == [("fired", None), ("resolved", "session_end")]
    assert found.alerts[1].ts_event_ns == end_ns


def test_no_data_never_resolves() -> None:
    assert steps(course(104.0, then=tuple(beat(EVENT_NS + i * HOUR_NS) for i in range(9)))) == ["fired"]


def test_without_heartbeats_the_next_tick_ends_the_session_before_with_the_same_words() -> None:
    tomorrow = parse_rfc3339("2025-04-08T10:00:00-04:00")
    by_tick = course(104.0, then=(*bars(TSLA, [104.0], tomorrow),)).alerts
    by_beat = course(104.0, then=(beat(tomorrow),)).alerts
    assert [(a.alert_id, a.revision, a.change, a.ts_event_ns) for a in by_tick] == [
        (a.alert_id, a.revision, a.change, a.ts_event_ns) for a in by_beat
    ]


def test_a_crypto_alert_has_no_session_to_end() -> None:
    ticks = [*bars(BTC, calm(WARM)), replace(bars(BTC, [104.0], EVENT_NS)[0], volume=5000.0)]
    assert steps(run(watching(price_move={}), [*ticks, beat(EVENT_NS + 100 * HOUR_NS)])) == ["fired"]


def test_what_trades_while_the_venue_is_closed_ends_with_the_session_to_come() -> None:
    night = parse_rfc3339("2025-04-07T21:00:00-04:00")
    ticks = [*bars(TSLA, calm(WARM), night), *bars(TSLA, [104.0, 104.0], night + WARM * MINUTE_NS)]
    found = run(watching(price_move={}), [*ticks, beat(night + 100 * HOUR_NS)])
    assert found.alerts[0].phase == "closed"
    assert changes(found.alerts) == [("fired", None), ("resolved", "session_end")]
    assert found.alerts[1].ts_event_ns == parse_rfc3339("2025-04-08T20:00:00-04:00")


@pytest.mark.parametrize("bars_until_back", [1, 2, 3])
def test_a_lone_jump_on_low_volume_that_comes_back_at_once_is_retracted(bars_until_back: int) -> None:
    found = course(*[103.2] * bars_until_back, 100.5, volume=500.0)
    assert changes(found.alerts) == [("fired", None), ("retracted", "bad_print")]
    assert found.alerts[1].state == "retracted"
    assert "withdrawn" in found.alerts[1].message


def test_a_jump_that_volume_confirms_is_not_retracted() -> None:
    assert steps(course(103.2, 100.5, volume=2000.0)) == ["fired"]


def test_a_jump_that_comes_back_later_is_not_retracted() -> None:
    assert steps(course(*[103.2] * 6, 100.5, volume=500.0)) == ["fired"]


@pytest.mark.parametrize(("minutes", "after"), [(3, "retracted"), (10, "fired")])
def test_a_jump_that_is_back_after_a_hole_is_not_retracted(minutes: int, after: str) -> None:
    back = replace(bars(TSLA, [100.5], EVENT_NS + minutes * MINUTE_NS)[0], volume=500.0)
    assert steps(course(103.2, volume=500.0, then=(back,)))[-1] == after


def test_a_jump_that_fired_twice_is_not_retracted() -> None:
    assert "retracted" not in steps(course(103.2, 106.5, 103.4, 100.7, 100.1, volume=500.0))


QUIET_END = [104.0] * 21  # fired, recovering, resolved


def test_the_cool_down_mutes_an_equal_or_smaller_move_in_the_same_direction() -> None:
    found = course(*QUIET_END, 104.0 * 1.035)
    assert steps(found) == ["fired", "recovering", "resolved"]
    assert len(found.signals) == 2
    assert found.signals[0].alert_id == found.alerts[0].alert_id
    assert found.signals[1].alert_id is None


def test_the_cool_down_does_not_mute_a_larger_move() -> None:
    found = course(*QUIET_END, 104.0 * 1.045)
    assert steps(found)[3:] == ["fired"]
    assert found.alerts[3].alert_id != found.alerts[0].alert_id
    assert found.alerts[3].revision == 1


def test_the_cool_down_does_not_mute_the_other_direction() -> None:
    found = course(*QUIET_END, 104.0 * 0.965)
    assert (found.alerts[-1].change, found.alerts[-1].direction) == ("fired", "drop")


def test_after_the_cool_down_a_smaller_move_fires() -> None:
    assert steps(course(*QUIET_END, *[104.0] * 30, 104.0 * 1.035))[3:] == ["fired"]
    assert steps(course(*QUIET_END, *[104.0] * 5, 104.0 * 1.035, cooldown="3m"))[3:] == ["fired"]


def test_both_directions_have_an_episode_each() -> None:
    found = course(104.0, 100.0, 104.0)
    assert [(a.direction, a.change) for a in found.alerts] == [("rise", "fired"), ("drop", "fired")]
    assert [s.direction for s in found.signals] == ["rise", "drop", "rise"]
    assert found.signals[2].alert_id == found.signals[0].alert_id


def test_a_rule_s_severity_is_a_ceiling() -> None:
    found = course(115.0, severity="medium")
    assert [(a.severity, a.score) for a in found.alerts] == [("medium", 74.99)]
    assert course(115.0).alerts[0].severity == "critical"


def test_each_makes_every_signal_an_alert_of_its_own() -> None:
    found = course(104.0, 108.2, 112.6, 112.6, *[112.6] * 20, alert="each")
    assert [(a.revision, a.change) for a in found.alerts] == [(1, "fired")] * 3
    assert len({a.alert_id for a in found.alerts}) == 3


def test_trades_calm_down_by_time() -> None:
    trades = [trade(REGULAR_NS + i * SECOND_NS, BTC, p, 2.0) for i, p in enumerate(calm(120))]
    start = trades[-1].at_ns
    trades += [trade(start + 30 * SECOND_NS * i, BTC, 104.0, 2.0) for i in range(1, 40)]
    found = run(watching(price_move={"keep_firing_for": "2m"}), trades)
    assert changes(found.alerts) == [("fired", None), ("recovering", None), ("resolved", "new_level")]
    onset, recovering, resolved = (a.ts_event_ns for a in found.alerts)
    assert resolved - recovering == 2 * MINUTE_NS
    assert 2 * MINUTE_NS <= recovering - onset <= 4 * MINUTE_NS


def test_alerts_of_one_symbol_within_a_quarter_of_an_hour_are_one_incident() -> None:
    def incidents(apart: int) -> list[str]:
        return [a.incident_id for a in course(104.0, *[104.0] * (apart - 1), 100.0).alerts if a.change == "fired"]

    assert len(incidents(15)) == len(incidents(16)) == 2
    assert len(set(incidents(15))) == 1
    assert len(set(incidents(16))) == 2


def test_onsets_that_follow_each_other_closely_are_one_incident_however_long() -> None:
    closes = [104.0, *[104.0] * 11, 100.0, *[100.0] * 11, 95.0, *[95.0] * 11, 100.0]
    found = course(*closes, cooldown="0s", keep_firing_bars=3)
    fired = [a for a in found.alerts if a.change == "fired"]
    assert len(fired) == 4
    assert fired[-1].onset_ns - fired[0].onset_ns > 30 * MINUTE_NS
    assert len({a.incident_id for a in fired}) == 1


def test_price_and_data_quality_incidents_are_apart() -> None:
    ticks = [*bars(TSLA, calm(WARM)), *bars(TSLA, [1000.0, 100.0, 104.0], EVENT_NS)]
    found = run(watching(price_move={}, bad_print={}), ticks)
    fired = {a.rule: a for a in found.alerts if a.change == "fired"}
    assert set(fired) == {"price_move", "bad_print"}
    assert fired["price_move"].incident_id != fired["bad_print"].incident_id


def test_a_rule_outside_of_its_time_or_phase_is_silent() -> None:
    assert steps(course(104.0, enabled_until="2025-04-07T14:30:00Z")) == []
    assert steps(course(104.0, enabled_from="2025-04-07T14:31:00Z")) == []
    assert steps(course(104.0, enabled_from="2025-04-07T14:30:00Z", enabled_until="2025-04-07T14:31:00Z")) == ["fired"]
    assert steps(course(104.0, phases=("pre", "post"))) == []


def test_the_sentence_keeps_telling_the_strongest_signal_from_what_it_was_measured() -> None:
    found = course(103.5, 109.9, *[109.9] * 10)
    assert steps(found) == ["fired", "worsened", "recovering"]
    last = found.alerts[-1]
    assert "moved +6.18 % within 60 s, from 103.50 to 109.90" in last.message
    assert last.value == pytest.approx(6.18, abs=0.01)
    assert last.price_before == pytest.approx(100.0, abs=0.02)
