"""From a standardised value to its rarity in symbol-days, and from rarity to a score.

Peaks over threshold: beyond u the exceedances follow a generalised Pareto law (Balkema and de Haan 1974; Pickands
1975), P(|z| > x) = p_u * (1 + xi * (x - u) / beta) ** (-1 / xi). `theta` is the extremal index: 1 / mean cluster size.
"""

import math

import numpy as np

from tapewatch.alerts.compiled import Row, compiled

TAIL = np.dtype(
    [("u", "f8"), ("p_u", "f8"), ("xi", "f8"), ("beta", "f8"), ("theta", "f8"), ("calibrated", "i8")], align=True
)

OFTEN_MEMORY, FAR_MEMORY = 30.0, 50.0
EXCESS_CLIP = 5.0


@compiled
def rarity_days(z: float, tail: Row, per_day: float, often: float, far: float) -> float:
    """Symbol-days between peaks of at least |z|, where a day has `per_day` ticks. `often` and `far` correct the group's
    tail for this symbol: how often it passes u, and by how much, in units of the group. Cost: one power."""
    excess = abs(z) - tail.u
    p = tail.p_u * often
    if excess > 0.0:
        p *= (1.0 + tail.xi * excess / (tail.beta * far)) ** (-1.0 / tail.xi)
    rate = p * tail.theta * per_day
    return 1.0 / rate if rate > 1e-12 else 1e12


@compiled
def size_of(days: float, tail: Row, per_day: float, often: float, far: float) -> float:
    """The size that is reached once in so many symbol-days: the inverse of `rarity_days` above u, u below it. Cost: one
    power."""
    times = tail.p_u * often * tail.theta * per_day * days
    if times <= 1.0:
        return float(tail.u)
    return float(tail.u + tail.beta * far / tail.xi * (times**tail.xi - 1.0))


@compiled
def learn_tail(state: Row, z: float, tail: Row) -> None:
    """Take |z| into what a symbol knows of its own tail: `often` and `far` less 1, so that a cold state is the group's.
    They remember some 30 and 50 passages of u; one excess counts at most five-fold, so that one crash does not teach
    that crashes are usual."""
    excess = abs(z) - tail.u
    w = tail.p_u / OFTEN_MEMORY
    state.often_1 += w * ((1.0 / tail.p_u if excess > 0.0 else 0.0) - 1.0 - state.often_1)
    if excess > 0.0:
        mean = tail.beta / (1.0 - tail.xi)
        state.far_1 += (min(excess / mean, EXCESS_CLIP) - 1.0 - state.far_1) / FAR_MEMORY


@compiled
def score_of(rarity: float) -> float:
    """clip(35 + 20 log10 R, 0, 100): an alert opens at 61 (R = 20), high is 75 (R = 100)."""
    if rarity <= 0.0:
        return 0.0
    return min(100.0, max(0.0, 35.0 + 20.0 * math.log10(rarity)))


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
