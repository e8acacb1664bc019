"""The naive detector beside ours: an exponentially weighted z-score of log returns, per symbol, one threshold.

It runs in the same engine, through the same episodes and incidents and the same matcher, so that only the statistic
differs. It knows no sessions, gaps, volumes or bad prints. Its threshold is tuned in sample, row by row: an advantage
that ours does not have.
"""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.rules import CompiledRule, Rule, RuleSet
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import OPENS_AT

THRESHOLDS = (4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 17.0, 20.0, 25.0, 30.0, 40.0)
WEIGHT = 0.06  # RiskMetrics' lambda of 0.94
WARM = 30


class NaiveZ(Params, frozen=True, forbid_unknown_fields=True):
    """(r - mean) / deviation of log returns, both exponentially weighted (RiskMetrics 1996), the newest left out."""

    threshold: float = 8.0


STATE = np.dtype([("mean", "f8"), ("variance", "f8"), ("last", "f8"), ("n", "i8")])


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    last = state.last
    state.last = tick.close
    if not (last > 0.0 and tick.close > 0.0):
        return NONE
    ret = math.log(tick.close / last)
    z = (ret - state.mean) / math.sqrt(state.variance) if state.n >= WARM and state.variance > 0.0 else 0.0
    weight = max(WEIGHT, 1.0 / (state.n + 1.0))
    away = ret - state.mean
    state.mean += weight * away
    state.variance += weight * (away * away - state.variance)
    state.n += 1
    signal.direction = 1 if z > 0.0 else -1
    if abs(z) < params.threshold:
        return HALF if abs(z) >= 0.5 * params.threshold else NONE
    signal.score = OPENS_AT
    signal.calibrated = 0
    signal.rarity = 0.0
    signal.value = z
    signal.threshold = params.threshold
    signal.before = last
    signal.source = FIXED
    return FIRE


DETECTOR = Detector(
    name="naive_z",
    version=1,
    params=NaiveZ,
    state=STATE,
    record=np.dtype([("threshold", "f8")]),
    pack=lambda p: {"threshold": p.threshold},
    step=step,
    statistic="z",
    details=(),
    sentence=lambda alert: f"z-score {alert.value:.1f}",
)


def naive(threshold: float) -> RuleSet:
    """The baseline as a rule set."""
    rule = Rule(name="naive_z", detector="naive_z")
    compiled_rule = CompiledRule(rule, DETECTOR, NaiveZ(threshold), f"naive {threshold:g}", 0)
    return RuleSet("naive", (compiled_rule,))
