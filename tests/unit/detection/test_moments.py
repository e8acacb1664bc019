"""Sums over windows: exact enough at any price level, over long tapes, and for rules that do not look at every tick."""

import math
import statistics
from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from tapewatch.model.signals import Signal
from tapewatch.model.times import MINUTE_NS, parse_rfc3339
from tests.unit.detection.support import BTC, COMPILED, TSLA, Tick, bars, run, watching

LENGTH = 3_000 if COMPILED else 600
NOISY = {"window": 20, "threshold": 1e-9, "score": 61.0}


def signals(ticks: list[Tick], include: bool, **rule: object) -> list[Signal]:
    params = NOISY | {"include_current": include}
    return run(watching(zscore={"params": params, "alert": "each", **rule}), ticks).signals


def walk(level: float, size: float, n: int, seed: int = 5) -> list[float]:
    random, closes, price = Random(seed), [], level
    for _ in range(n):
        price += random.gauss(0.0, size)
        closes.append(price)
    return closes


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize(("level", "size"), [(1e9, 0.01), (1e9, 1e3), (100.0, 0.05), (1e-8, 1e-12)])
def test_mean_and_deviation_are_those_of_two_passes_over_the_window(level: float, size: float, include: bool) -> None:
    closes = walk(level, size, LENGTH)
    found = signals(bars(BTC, closes), include)
    assert len(found) > 0.99 * (LENGTH - 20)
    for signal in found:
        last = signal.offset + include
        window = np.array(closes[last - 20 : last])
        mean = math.fsum(window) / 20
        assert signal.details["mean"] == pytest.approx(mean, rel=1e-12)
        assert signal.details["std_dev"] == pytest.approx(float(np.std(window - mean)), rel=1e-6)


def test_at_a_price_of_a_billion_the_variance_is_exact_where_the_textbook_formula_turns_negative() -> None:
    closes = [1e9 + 0.0078125 * (i % 3) for i in range(40)]
    window = closes[19:39]
    assert sum(c * c for c in window) / 20 - (sum(window) / 20) ** 2 <= 0.0
    found = {s.offset: s for s in signals(bars(BTC, closes), include=False)}
    exact = math.sqrt(statistics.pvariance([Fraction(c) for c in window]))
    assert found[39].details["std_dev"] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("include", [True, False])
def test_far_from_where_the_sums_were_anchored_a_small_variance_is_computed_again(include: bool) -> None:
    closes = [1e6, *[1e7 + 0.0009765625 * (i % 4) for i in range(60)]]
    ticks = [replace(t, open=t.close, high=t.close, low=t.close) for t in bars(BTC, closes)]
    exact = math.sqrt(statistics.pvariance([Fraction(c) for c in closes[1:21]]))
    for signal in (s for s in signals(ticks, include) if s.offset > 21):
        assert signal.details["std_dev"] == pytest.approx(exact, rel=1e-9)


def test_a_window_of_equal_closes_has_no_deviation_however_wild_it_was_before() -> None:
    closes = [*walk(1e6, 1e4, 100), *[123.456] * 40]
    found = signals(bars(BTC, closes), include=True)
    assert max(s.offset for s in found) < 100 + 20


@pytest.mark.parametrize("include", [True, False])
def test_a_rule_of_one_phase_judges_against_the_symbol_s_last_closes_of_any_phase(include: bool) -> None:
    start = parse_rfc3339("2025-04-07T15:30:00-04:00")
    closes = walk(100.0, 0.05, 60)
    days = [bars(TSLA, closes, start), bars(TSLA, closes[::-1], start + 17 * 60 * MINUTE_NS)]
    ticks = [*days[0], *days[1], *bars(TSLA, walk(99.0, 0.05, 90), days[1][-1].act_ns)]
    whole = {s.offset: s for s in signals(ticks, include)}
    regular = {s.offset: s for s in signals(ticks, include, phases=("regular",))}
    assert 90 < len(regular) < len(whole)
    for offset, signal in regular.items():
        assert signal.value == pytest.approx(whole[offset].value, rel=1e-9)
        assert signal.details == pytest.approx(whole[offset].details)


def test_sums_are_renewed_without_a_step() -> None:
    closes = walk(100.0, 0.05, LENGTH)
    spiked = [*closes[:50], 1e7, *closes[51:]]
    ticks = [replace(t, open=t.close, high=t.close, low=t.close) for t in bars(BTC, spiked)]
    after = {s.offset: s.value for s in signals(ticks, include=True) if s.offset > 400}
    usual = {s.offset: s.value for s in signals(bars(BTC, closes), include=True) if s.offset > 400}
    assert after == pytest.approx(usual)
