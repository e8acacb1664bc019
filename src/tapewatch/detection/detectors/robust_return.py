"""robust_return: a return that is rare against the symbol's own robust scale, phase and time of day."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.stats.scale import OWN_PHASE
from tapewatch.detection.stats.tail import learn_tail, rarity_days, score_of, size_of
from tapewatch.model.alerts import HIGH_AT, OPENS_AT, Alert
from tapewatch.model.prices import price_text


class RobustReturn(Params, frozen=True, forbid_unknown_fields=True):
    """Log return over a robust scale of the past, judged by how rare it is: R symbol-days.

    The scale is an exponentially weighted mean of absolute returns (fast and slow), clipped, by session phase,
    corrected for the time of day and for missing bars. The tail is its group's, corrected by how often and how far this
    symbol went beyond. An alert opens at `rarity_days`. Source: RiskMetrics (1996) exponential weighting made robust by
    winsorising (Huber 1981); tail by peaks over threshold (Pickands 1975). Cost: one logarithm, two powers above
    half of `min_z`. It judges bars; it cannot see a drift that is spread over many bars, nor anything within a bar.
    """

    rarity_days: float = 20.0
    min_pct: float = 1.0  # materiality, with min_ticks and min_notional
    high_pct: float = 3.0  # below it an alert is medium at most, however rare: severity is for people
    min_ticks: float = 2.5
    min_notional: float = 0.0
    min_z: float = 5.0  # below this many scales nothing is worth a second look


STATE = np.dtype([("often_1", "f8"), ("far_1", "f8")])
RECORD = np.dtype(
    [
        ("opens_days", "f8"),
        ("min_pct", "f8"),
        ("high_pct", "f8"),
        ("min_ticks", "f8"),
        ("min_notional", "f8"),
        ("min_z", "f8"),
    ]
)


def _pack(p: RobustReturn) -> dict[str, float | int]:
    return {
        "opens_days": p.rarity_days,
        "min_pct": p.min_pct,
        "high_pct": p.high_pct,
        "min_ticks": p.min_ticks,
        "min_notional": p.min_notional,
        "min_z": p.min_z,
    }


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh or tick.interval_ns == 0 or not math.isfinite(tick.sigma):
        return NONE
    before = head.close
    z = tick.ret / tick.sigma
    tail = group.tail[tick.phase]
    often = 1.0 + state.often_1
    far = 1.0 + state.far_1
    if tick.source == OWN_PHASE:
        learn_tail(state, z, tail)
    if abs(z) < 0.5 * params.min_z:
        return NONE
    signal.direction = 1 if z > 0.0 else -1
    opens_z = max(size_of(params.opens_days, tail, tick.per_day, often, far), params.min_z)
    if abs(z) < 0.5 * opens_z:
        return NONE
    if abs(z) < params.min_z:
        return HALF
    rarity = rarity_days(z, tail, tick.per_day, often, far)
    size = abs(tick.close - before)
    material = size * 100.0 >= params.min_pct * before and size >= params.min_ticks * tick.step
    if tick.known and tick.close * tick.volume < params.min_notional:
        material = False
    if rarity < params.opens_days or not material:
        return HALF
    score = max(score_of(rarity), OPENS_AT)
    signal.score = score if size * 100.0 >= params.high_pct * before else min(score, HIGH_AT - 1.0)
    signal.rarity = rarity
    signal.calibrated = tail.calibrated
    signal.value = z
    signal.threshold = math.copysign(opens_z, z)
    signal.before = before
    signal.source = tick.source
    signal.detail[0] = z
    signal.detail[1] = math.log(tick.close / before) * 100.0
    signal.detail[2] = signal.detail[1] / z
    return FIRE


def _sentence(alert: Alert) -> str:
    sigma = float(alert.details["expected_scale_pct"] or 0.0)
    return (
        f"moved {alert.change_pct:+.2f} % in one bar, from {price_text(alert.price_before)} to"
        f" {price_text(alert.price)}, where about"
        f" {sigma:.2f} % is usual at this time of day ({abs(alert.value):.1f} times that)"
    )


DETECTOR = Detector(
    name="robust_return",
    version=2,
    params=RobustReturn,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="robust_z",
    details=("robust_z", "log_return_pct", "expected_scale_pct"),
    sentence=_sentence,
    features=frozenset({"scale"}),
    chunks=True,
    knobs={"rarity_days": 3.0},  # R grows with about the third power of z (inverse cubic law)
)
