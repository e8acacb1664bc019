"""Jumps in the regular session that the next bar takes back, flash crashes, and what volume says of both."""

from dataclasses import replace

import pytest

from tapewatch.model.alerts import Alert
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tests.unit.detection.support import BTC, REGULAR_NS, TSLA, Run, bars, calm, run, watching

WARM = 90


def course(rules: dict[str, dict[str, object]], closes: list[float], volumes: list[float]) -> Run:
    """Calm bars around 100 on a volume of 1,000, then these."""
    ticks = bars(TSLA, [*calm(WARM), *closes], REGULAR_NS)
    ticks[WARM:] = [replace(t, volume=v) for t, v in zip(ticks[WARM:], volumes, strict=True)]
    return run(watching(**rules), ticks)


def last(found: Run, rule: str) -> Alert:
    return found.of(rule)[-1]


BOTH: dict[str, dict[str, object]] = {"price_move": {}, "bad_print": {}}


@pytest.mark.parametrize("size", [0.97, 1.04])
def test_a_jump_that_is_back_a_bar_later_is_withdrawn_and_told_as_a_bad_print(size: float) -> None:
    found = course(BOTH, [100.0 * size, 100.0, 100.0], [1000.0] * 3)
    assert last(found, "price_move").state == "retracted"
    assert {a.direction for a in found.of("price_move")} == {"drop" if size < 1 else "rise"}, "the way back is no move"
    (bad,) = [a for a in found.of("bad_print") if a.change == "fired"]
    assert (bad.onset_ns, bad.details["verdict"]) == (REGULAR_NS + WARM * MINUTE_NS, "reverted")


def test_a_jump_on_twice_the_volume_stands_though_it_comes_back() -> None:
    found = course(BOTH, [97.0, 100.0, 100.0], [2000.0, 1000.0, 1000.0])
    assert next(a.change for a in found.of("price_move") if a.direction == "drop") == "fired"
    assert not any(a.change == "retracted" for a in found.of("price_move"))
    assert not found.of("bad_print")


def test_a_jump_that_holds_for_a_second_bar_is_no_bad_print() -> None:
    found = course(BOTH, [97.0, 97.0, 100.0], [1000.0] * 3)
    assert not found.of("bad_print")


def test_a_watched_jump_before_a_hole_is_not_taken_back_after_it() -> None:
    ticks = bars(TSLA, [*calm(WARM), 97.0, 100.0], REGULAR_NS)
    ticks[-1] = replace(ticks[-1], at_ns=ticks[-1].at_ns + 10 * MINUTE_NS)
    assert not run(watching(**BOTH), ticks).of("bad_print")


FLASH: dict[str, dict[str, object]] = {"flash_crash": {}}


def test_a_fall_that_is_made_good_within_minutes_is_a_flash_crash() -> None:
    found = course(FLASH, [98.5, 97.0, 97.5, 98.2, 99.2, 99.9], [5000.0] * 6)
    (alert,) = [a for a in found.of("flash_crash") if a.change == "fired"]
    assert (alert.direction, alert.details["low"]) == ("drop", 97.0)
    assert "fell from" in alert.message and "recovered" in alert.message


@pytest.mark.parametrize(
    ("closes", "volume"),
    [
        ([98.5, 97.0, 97.0, 97.0, 97.0, 97.0], 5000.0),  # it stays down
        ([98.5, 97.0, 97.3, 97.6, 97.9, 97.9], 5000.0),  # the smaller part of it is made good
        ([98.5, 97.0, 97.5, 98.2, 99.2, 99.9], 1000.0),  # nobody traded it
        ([99.6, 99.2, 98.8, 98.4, 98.0, 97.6], 5000.0),  # a slide
        ([101.5, 103.0, 102.0, 101.0, 100.0, 100.0], 5000.0),  # a spike, not a fall
    ],
)
def test_what_is_no_flash_crash(closes: list[float], volume: float) -> None:
    assert not course(FLASH, closes, [volume] * 6).of("flash_crash")


@pytest.mark.parametrize(
    ("low", "volume", "fires"), [(99.85, 5000.0, True), (99.85, 2000.0, False), (99.75, 2000.0, True)]
)
def test_a_larger_crash_needs_less_volume(low: float, volume: float, fires: bool) -> None:
    closes = [100.0 + (low - 100.0) * share for share in (0.5, 1.0, 0.8, 0.6, 0.3, 0.1)]
    rules: dict[str, dict[str, object]] = {"flash_crash": {"params": {"pct": 0.1}}}
    assert bool(course(rules, closes, [volume] * 6).of("flash_crash")) == fires


def test_a_relative_move_is_silent_until_the_symbol_has_a_scale_of_its_own() -> None:
    rules = {"price_move": {"params": {"relative": True, "calm_scales": 10.0, "pct": 1.0}}}
    for warm, fires in ((40, False), (WARM, True)):
        found = run(watching(**rules), bars(TSLA, [*calm(warm), 98.5], REGULAR_NS))
        assert bool(found.of("price_move")) == fires


def test_percents_grow_for_a_symbol_that_moves_by_as_much_all_day() -> None:
    wild = [100.0 * (1.01 if i % 2 else 1.0) for i in range(WARM)]
    for scales, fires in ((0.0, True), (12.0, False)):
        rules = {"price_move": {"params": {"calm_scales": scales}}}
        assert bool(run(watching(**rules), bars(TSLA, [*wild, 104.5], REGULAR_NS)).of("price_move")) == fires


@pytest.mark.parametrize(("close", "fires"), [(104.5, True), (95.5, False)])
def test_a_fall_may_have_a_limit_of_its_own(close: float, fires: bool) -> None:
    wild = [100.0 * (1.01 if i % 2 else 1.0) for i in range(WARM)]
    rules = {"price_move": {"params": {"calm_scales": 1.0, "fall_scales": 12.0}}}
    assert bool(run(watching(**rules), bars(TSLA, [*wild, close], REGULAR_NS)).of("price_move")) == fires


@pytest.mark.parametrize(("minutes_after_midnight", "fires"), [(2, False), (120, True)])
def test_volume_around_midnight_is_expected_where_nothing_closes(minutes_after_midnight: int, fires: bool) -> None:
    midnight_ns = (REGULAR_NS // DAY_NS + 1) * DAY_NS
    start_ns = midnight_ns + (minutes_after_midnight - WARM) * MINUTE_NS
    ticks = bars(BTC, [*calm(WARM), 99.4], start_ns)
    ticks[-1] = replace(ticks[-1], volume=6000.0)
    assert bool(run(watching(volume_spike={}), ticks).of("volume_spike")) == fires


def test_what_is_said_to_have_been_traded_at_the_turn_of_a_day_is_what_was_traded() -> None:
    midnight_ns = (REGULAR_NS // DAY_NS + 1) * DAY_NS
    ticks = bars(BTC, [*calm(WARM), 98.0], midnight_ns - (WARM - 2) * MINUTE_NS)
    ticks[-1] = replace(ticks[-1], volume=200_000.0)
    (alert,) = run(watching(volume_spike={}), ticks).of("volume_spike")
    assert "(200,000 against " in alert.message
    assert alert.value == pytest.approx(alert.notional_ratio)
    assert alert.threshold == 16.0  # four times the usual limit of four
