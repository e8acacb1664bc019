"""From a standardised value to its rarity in symbol-days, and from rarity to a score.

Peaks over threshold: beyond u the exceedances follow a generalised Pareto law (Balkema and de Haan 1974; Pickands
1975), P(|z| > x) = p_u * (1 + xi * (x - u) / beta) ** (-1 / xi). `theta` is the extremal index: 1 / mean cluster size.
"""

import math

import numpy as np

from tapewatch.alerts.compiled import Row, compiled
from tapewatch.model.alerts import OPENS_AT

TAIL = np.dtype(
    [("u", "f8"), ("p_u", "f8"), ("xi", "f8"), ("beta", "f8"), ("theta", "f8"), ("calibrated", "i8")], align=True
)


@compiled
def rarity_days(z: float, tail: Row, per_day: float) -> float:
    """Symbol-days between peaks of at least |z|, where a day has `per_day` ticks. Cost: one power."""
    excess = abs(z) - tail.u
    p = tail.p_u if excess <= 0.0 else tail.p_u * (1.0 + tail.xi * excess / tail.beta) ** (-1.0 / tail.xi)
    rate = p * tail.theta * per_day
    return 1.0 / rate if rate > 1e-12 else 1e12


@compiled
def score_of(rarity: float) -> float:
    """clip(35 + 20 log10 R, 0, 100): an alert opens at 61 (R = 20), high is 75 (R = 100)."""
    if rarity <= 0.0:
        return 0.0
    return min(100.0, max(0.0, 35.0 + 20.0 * math.log10(rarity)))


@compiled
def capped(score: float, material: bool) -> float:
    """Below the materiality floor a score is at most 60: no alert."""
    return score if material else min(score, OPENS_AT - 1.0)


@compiled
def percent_score(pct: float, opens: float, high: float, critical: float) -> float:
    """Fixed score of a percent rule: 61, 75, 90 at its three percents, straight lines between, 100 at twice the
    last."""
    size = abs(pct)
    if size < opens:
        return 60.0 * size / opens
    if size < high:
        return 61.0 + 14.0 * (size - opens) / (high - opens)
    if size < critical:
        return 75.0 + 15.0 * (size - high) / (critical - high)
    return min(100.0, 90.0 + 10.0 * (size - critical) / critical)
