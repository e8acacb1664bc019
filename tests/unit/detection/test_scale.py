"""Where a scale comes from, how it learns, and what a size is worth."""

import math
from typing import Any

import numpy as np
import pytest

from tapewatch.detection.calendars import Phase
from tapewatch.detection.layout import PHASES, SCALE
from tapewatch.detection.stats.scale import (
    CLIP,
    ENOUGH,
    GROUP,
    NORMAL,
    NOWHERE,
    OTHER_PHASES,
    OWN_PHASE,
    learn,
    sigma_of,
)
from tapewatch.detection.stats.tail import TAIL, percent_score, rarity_days, score_of, size_of
from tests.unit.detection.support import TSLA, bars, calibration, calm, run, watching

FLOOR = 1e-6


def scales(**known: tuple[float, int]) -> Any:
    """Scales by phase: (size, bars)."""
    made = np.zeros(PHASES, SCALE)
    for name, (size, n) in known.items():
        made[Phase[name.upper()]] = (size, size / 2, n)
    return made.view(np.recarray)


def group(scale: float = 0.001, pre_ratio: float = 2.0) -> Any:
    row = calibration().table()[list(calibration().groups).index("stock")]
    row.scale = scale
    row.phase_ratio[Phase.PRE] = pre_ratio
    row.phase_ratio[Phase.REGULAR] = 1.0
    return row


def rounded(value: float) -> float:
    return float(f"{value:.9g}")


def sigma(known: Any, phase: Phase, of: Any = None, floor: float = FLOOR) -> tuple[float, int]:
    found = sigma_of(known, group() if of is None else of, phase.value, floor)
    return rounded(found[0]), int(found[1])


def test_the_own_phase_counts_from_sixty_bars_on() -> None:
    assert sigma(scales(regular=(0.002, ENOUGH)), Phase.REGULAR) == (rounded(NORMAL * 0.002), OWN_PHASE)
    assert sigma(scales(regular=(0.002, ENOUGH - 1)), Phase.REGULAR)[1] == GROUP


def test_before_that_the_best_known_other_phase_is_scaled_by_the_venue_s_ratio() -> None:
    known = scales(regular=(0.002, 500), post=(0.1, 100))
    assert sigma(known, Phase.PRE) == (rounded(NORMAL * 0.004), OTHER_PHASES)


def test_else_the_group_s_scale_is_borrowed_and_what_was_seen_of_the_phase_is_believed_where_larger() -> None:
    assert sigma(scales(), Phase.PRE) == (rounded(NORMAL * 0.002), GROUP)
    assert sigma(scales(pre=(0.05, 3)), Phase.PRE) == (rounded(NORMAL * 0.05), GROUP)


def test_without_any_of_them_there_is_no_scale() -> None:
    value, source = sigma(scales(), Phase.PRE, group(scale=0.0))
    assert math.isnan(value)
    assert source == NOWHERE


def test_no_variation_means_not_enough() -> None:
    value, source = sigma(scales(regular=(0.0, 100)), Phase.REGULAR)
    assert math.isnan(value)
    assert source == NOWHERE
    assert sigma(scales(regular=(0.0, 100)), Phase.PRE)[1] == GROUP


def test_no_scale_is_below_its_floor() -> None:
    assert sigma(scales(regular=(1e-9, 100)), Phase.REGULAR, floor=0.01) == (0.01, OWN_PHASE)


def test_a_crash_enters_clipped_and_a_new_level_is_learnt() -> None:
    known = scales(regular=(0.001, 100))
    learn(known[2], 0.5, FLOOR)
    assert known[2].fast < 0.001 * (1 + CLIP * 2 / 31)
    for _ in range(100):
        learn(known[2], 0.004, FLOOR)
    assert known[2].fast == pytest.approx(0.004, rel=0.01)
    assert 0.0005 < known[2].slow < 0.003


def test_after_flat_bars_a_move_of_half_a_percent_is_silent_for_want_of_a_scale() -> None:
    ticks = bars(TSLA, [*[100.0] * 100, 102.0])
    assert run(watching(robust_return={}), ticks).signals == []


def test_a_score_is_the_rarity_s_logarithm_between_0_and_100() -> None:
    found = [score_of(r) for r in (0.0, 1e-9, 1.0, 20.0, 100.0, 1e12)]
    assert found == pytest.approx([0.0, 0.0, 35.0, 61.02, 75.0, 100.0], abs=0.01)


@pytest.mark.parametrize("days", [0.5, 20.0, 80.0, 5000.0])
def test_the_size_of_a_rarity_is_its_inverse(days: float) -> None:
    tail = np.zeros(1, TAIL).view(np.recarray)[0]
    tail.u, tail.p_u, tail.xi, tail.beta, tail.theta = 2.6, 0.01, 0.35, 0.9, 0.7
    z = size_of(days, tail, 390.0, 1.3, 0.8)
    assert rarity_days(z, tail, 390.0, 1.3, 0.8) == pytest.approx(days)
    assert size_of(1e-6, tail, 390.0, 1.3, 0.8) == tail.u


def test_the_threshold_of_a_rare_return_is_the_size_at_which_it_opens() -> None:
    found = run(watching(robust_return={}), bars(TSLA, [*calm(100), 103.0])).alerts[0]
    assert found.rarity_days is not None and found.rarity_days > 20.0
    assert 5.0 < found.threshold < found.value
    assert found.margin == pytest.approx(found.value / found.threshold)


def test_a_percent_rule_s_score_is_61_75_and_90_at_its_percents() -> None:
    sizes = [0.0, 1.5, 3.0, -3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 500.0]
    scores = [0.0, 30.0, 61.0, 61.0, 68.0, 75.0, 82.5, 90.0, 100.0, 100.0]
    assert [percent_score(s, 3.0, 5.0, 10.0) for s in sizes] == pytest.approx(scores)


def test_the_sentence_says_how_warm_the_baseline_is() -> None:
    cold = run(watching(robust_return={}), bars(TSLA, [*calm(5), 103.0])).alerts
    warm = run(watching(robust_return={}), bars(TSLA, [*calm(100), 103.0])).alerts
    assert (cold[0].health.source, warm[0].health.source) == ("group", "own_phase")
    assert (cold[0].health.bars, warm[0].health.bars) == (6, 101)
