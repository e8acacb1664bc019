"""A volatile half hour is one alert without a direction, however long it lasts; jumps and noise are none."""

from tapewatch.model.times import MINUTE_NS, parse_rfc3339
from tests.unit.detection.support import BTC, Run, bars, batch_of, beat, calm, changes, engine_for, run, watching

START_NS = parse_rfc3339("2025-02-03T00:00:00Z")
CALM = calm(240, 100.0, 0.002)


def course(*closes: float, **params: object) -> Run:
    return run(watching(volatility_regime={"params": params}), bars(BTC, [*CALM, *closes], START_NS))


def test_a_volatile_half_hour_is_one_alert_without_direction() -> None:
    found = course(*calm(120, 100.0, 0.02), *calm(60, 100.0, 0.002))
    assert changes(found.alerts)[0] == ("fired", None)
    assert {a.change for a in found.alerts} <= {"fired", "worsened", "recovering", "resolved"}
    assert len({a.alert_id for a in found.alerts}) == 1
    first = found.alerts[0]
    assert (first.direction, first.alert_type, first.category) == ("none", "volatility_regime", "price")
    assert START_NS + 240 * MINUTE_NS < first.ts_event_ns <= START_NS + 280 * MINUTE_NS
    assert first.details["half_hour_pct"] > first.threshold * first.details["usual_pct"]  # type: ignore[operator]  # numbers
    assert "times as volatile for half an hour as is usual at this time of day" in first.message


def test_when_it_is_over_the_alert_says_so_and_nothing_of_a_worst_price() -> None:
    last = course(*calm(60, 100.0, 0.02), *calm(120, 100.0, 0.002)).alerts[-1]
    assert (last.change, last.reason) == ("resolved", "reverted")
    assert last.message.endswith("; over (reverted).")


def test_it_is_told_a_few_times_and_not_at_every_tick() -> None:
    assert len(course(*calm(200, 100.0, 0.02)).signals) <= 3


def test_a_jump_that_stays_is_no_regime() -> None:
    assert course(*calm(90, 105.0, 0.002)).signals == []


def test_what_is_many_times_nothing_is_immaterial() -> None:
    assert course(*calm(90, 100.0, 0.02), min_pct=50.0).signals == []


def test_it_is_no_share_of_a_market_that_rises_or_falls() -> None:
    tape = bars(BTC, [*CALM, *calm(60, 100.0, 0.02)], START_NS)
    both = batch_of([t for bar in tape for t in (bar, beat(bar.act_ns + 1))])
    outcome = engine_for(watching(volatility_regime={})).process(both)
    assert outcome.alerts()
    assert outcome.minutes.rows["active"].sum() > 0
    assert outcome.minutes.rows["up"].sum() + outcome.minutes.rows["down"].sum() == 0
