"""Bursts of records that are not judged are told as data quality, a few times each; single ones are not."""

from dataclasses import replace

import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.times import MINUTE_NS, SECOND_NS
from tests.unit.detection.support import BTC, TSLA, Run, Tick, bars, calm, changes, run, trade, watching

BARS = bars(TSLA, calm(40))
LAST = BARS[-1]
AFTER = bars(TSLA, calm(25), LAST.act_ns)


def course(*then: Tick, **params: object) -> Run:
    return run(watching(feed_disorder={"params": params}), [*BARS, *then])


def late(i: int) -> Tick:
    return replace(LAST, at_ns=LAST.at_ns - MINUTE_NS, close=100.0 + i)


def test_twenty_repeats_of_a_bar_are_one_alert_dated_to_the_symbols_clock() -> None:
    assert course(*[LAST] * 19).signals == []
    (alert,) = course(*[LAST] * 20).alerts
    assert (alert.category, alert.alert_type, alert.direction) == ("data_quality", "feed_disorder", "none")
    assert (alert.ts_event_ns, alert.onset_k, alert.price) == (LAST.at_ns, -1, LAST.close)
    assert (alert.value, alert.details["repeated"], alert.details["late"]) == (20.0, 20.0, 0.0)
    assert "(0 late, 20 repeated, 0 corrected), 100 % of all that came" in alert.message


def test_late_records_repeats_and_corrections_count_together() -> None:
    mixed = [late(i) for i in range(8)] + [LAST] * 7 + [replace(LAST, volume=float(i)) for i in range(5)]
    (signal,) = course(*mixed).signals
    assert [signal.details[name] for name in ("late", "repeated", "corrected")] == [8.0, 7.0, 5.0]


def test_a_burst_of_a_thousand_is_told_at_each_doubling_and_is_one_alert() -> None:
    found = course(*[LAST] * 1000)
    assert [s.value for s in found.signals] == [20.0, 40.0, 80.0, 160.0, 320.0, 640.0]
    assert len(found.alerts) == 1


def test_it_is_over_when_the_feed_goes_on_in_order() -> None:
    found = course(*[LAST] * 25, *AFTER)
    assert changes(found.alerts) == [("fired", None), ("recovering", None), ("resolved", "data_returned")]


def test_a_share_below_the_limit_is_everyday_life() -> None:
    trades = [trade(i * SECOND_NS // 2, BTC, 100.0 + i % 3, trade_id=i + 1) for i in range(590)]
    tape = [t for tick in trades for t in ([tick, tick] if tick.trade_id % 24 == 0 else [tick])]
    assert run(watching(feed_disorder={"params": {"share_pct": 5.0}}), tape).signals == []
    assert run(watching(feed_disorder={"params": {"share_pct": 3.0}}), tape).signals


def test_what_is_spread_over_hours_is_no_burst() -> None:
    hour = bars(TSLA, calm(60), LAST.act_ns)
    assert course(*(t for tick in hour for t in (tick, tick))).signals == []


def test_a_rule_that_does_not_watch_the_symbol_counts_nothing() -> None:
    rules = watching(feed_disorder={"symbols": ("AAPL",)})
    assert run(rules, [*BARS, *[LAST] * 25]).rows == run(rules, BARS).rows


def test_a_single_record_is_no_burst() -> None:
    with pytest.raises(InputError, match="least 1 must be at least 2"):
        course(least=1)
