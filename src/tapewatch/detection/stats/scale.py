"""Robust scale of returns: exponentially weighted absolute deviations with clipping (Huber 1981, winsorising).

The larger of a fast and a slow memory is used: a burst of volatility is believed at once and forgotten slowly. A
flagged tick enters clipped, not dropped, so that it cannot poison the scale and a new level is still learnt.
"""

import math

from tapewatch.alerts.codes import codes
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.layout import PHASES

FAST = 2.0 / 31.0
SLOW = 2.0 / 4801.0  # some twelve sessions of stocks, three days of what never closes
CLIP = 5.0
ENOUGH = 60  # bars of a phase before its own scale is used
NORMAL = 1.2533141373155001  # sigma / E|x| of a normal law

NOWHERE, OWN_PHASE, OTHER_PHASES, GROUP, FIXED = codes(5)
SOURCES = ("nowhere", "own_phase", "other_phases", "group", "fixed")


@compiled
def learn(scale: Row, size: float, floor: float) -> None:
    """Take one absolute standardised return into a phase's scale; `floor` bounds the clip from below."""
    n = scale.n
    if n >= 20:
        size = min(size, CLIP * max(scale.fast, scale.slow, floor))
    w = 1.0 / (n + 1.0)
    scale.fast += max(w, FAST) * (size - scale.fast)
    scale.slow += max(w, SLOW) * (size - scale.slow)
    scale.n = n + 1


@compiled
def calm_share(scale: Row) -> float:
    """Slow memory over the larger of both: what takes a burst in progress out of a sigma; 1 where there is none."""
    return scale.slow / scale.fast if scale.fast > scale.slow else 1.0


@compiled
def sigma_of(scales: Row, group: Row, phase: int, floor: float) -> tuple[float, int]:
    """(sigma, source) of a return in `phase`: the own phase after 60 bars, else the symbol's other phases scaled by the
    venue's phase ratio, else the group's, else (NaN, nowhere). Never below `floor`."""
    own = scales[phase]
    if own.n >= ENOUGH:
        size = max(own.fast, own.slow)
        if size > 0.0:
            return max(NORMAL * size, floor), OWN_PHASE
        return math.nan, NOWHERE
    best = 0
    at = -1
    for p in range(PHASES):
        if p != phase and scales[p].n >= ENOUGH and scales[p].n > best:
            best = scales[p].n
            at = p
    if at >= 0 and group.phase_ratio[at] > 0.0:
        other = max(scales[at].fast, scales[at].slow) * group.phase_ratio[phase] / group.phase_ratio[at]
        size = max(other, own.fast)
        if size > 0.0:
            return max(NORMAL * size, floor), OTHER_PHASES
    if group.scale > 0.0:
        size = max(group.scale * group.phase_ratio[phase], own.fast)
        return max(NORMAL * size, floor), GROUP
    return math.nan, NOWHERE
