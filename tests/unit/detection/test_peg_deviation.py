"""A price that leaves its peg is told by how far and how long; without a peg nothing is."""

import pytest

from tapewatch.detection.instruments import Facts
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.times import HOUR_NS, MINUTE_NS
from tests.unit.detection.support import Run, Tick, bars, calm, changes, run, watching

USDC = Instrument("binance", "USDC/USDT")
START_NS = 1_700_000_040_000_000_000
PEGGED = Facts(USDC.symbol, USDC.venue, tick=1e-4, peg=1.0)
BEFORE = bars(USDC, calm(70, 1.0), START_NS)


def course(*closes: float, then: tuple[Tick, ...] = (), facts: Facts = PEGGED, **params: object) -> Run:
    after = bars(USDC, closes, BEFORE[-1].act_ns)
    return run(watching(peg_deviation={"params": params}), [*BEFORE, *after, *then], [facts])


def test_half_a_percent_is_told_after_five_minutes_and_dated_to_the_bar_that_made_them() -> None:
    found = course(*[0.9945] * 8)
    (alert,) = found.alerts
    assert (alert.change, alert.direction, alert.severity) == ("fired", "drop", "medium")
    assert alert.ts_event_ns == BEFORE[-1].act_ns + 5 * MINUTE_NS
    assert (alert.price_before, alert.details["peg"], alert.details["held_s"]) == (1.0, 1.0, 300.0)
    assert "is -0.55 % from its peg of 1.00, at 0.9945, and has been away from it for 300 s" in alert.message
    assert [s.details["held_s"] for s in found.signals] == [300.0, 360.0, 420.0]


def test_four_minutes_are_not_told_nor_five_with_one_close_between() -> None:
    assert course(*[0.9945] * 5, 1.0).signals == []
    assert course(*[0.9945] * 4, 1.0, *[0.9945] * 5).signals == []
    assert course(*[0.9945] * 4, *[1.0055] * 5).signals == []


def test_two_percent_are_told_at_once_and_worsen_with_their_depth() -> None:
    found = course(0.979, 0.979, 0.965, 0.94)
    assert [(a.change, a.severity) for a in found.alerts] == [
        ("fired", "high"),
        ("worsened", "high"),
        ("worsened", "critical"),
    ]
    assert found.alerts[0].threshold == -2.0


def test_above_the_peg_is_a_rise() -> None:
    assert [s.direction for s in course(*[1.0075] * 6).signals] == ["rise"]


def test_back_at_the_peg_it_resolves_as_reverted() -> None:
    assert changes(course(*[0.994] * 6, *calm(30, 1.0)).alerts) == [
        ("fired", None),
        ("recovering", None),
        ("resolved", "reverted"),
    ]


def test_one_bar_of_two_percent_without_volume_is_withdrawn_when_it_comes_back() -> None:
    assert changes(course(0.975, 1.0).alerts) == [("fired", None), ("retracted", "bad_print")]


def test_a_gap_in_the_tape_begins_the_time_anew() -> None:
    later = bars(USDC, [0.9945] * 5, BEFORE[-1].act_ns + 2 * HOUR_NS)
    assert course(*[0.9945] * 3, then=tuple(later)).signals == []


def test_a_deviation_of_two_tick_sizes_is_none() -> None:
    coarse = Facts(USDC.symbol, USDC.venue, tick=0.01, peg=1.0)
    assert course(*[0.98] * 8, facts=coarse).signals == []
    assert course(*[0.97] * 8, facts=coarse).signals


def test_without_a_peg_nothing_is_told() -> None:
    assert course(*[0.9] * 8, facts=Facts(USDC.symbol, USDC.venue)).signals == []


def test_limits_out_of_order_are_refused() -> None:
    with pytest.raises(InputError, match="pct 3"):
        course(pct=3.0)
