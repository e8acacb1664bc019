"""robust_return: a return that is rare against the symbol's own robust scale, phase and time of day."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.stats.tail import capped, rarity_days, score_of
from tapewatch.model.alerts import OPENS_AT, Alert


class RobustReturn(Params, frozen=True, forbid_unknown_fields=True):
    """Log return of a bar over a robust scale of the past, judged by how rare it is: R symbol-days.

    The scale is an exponentially weighted mean of absolute returns (fast and slow), clipped, by session phase,
    corrected for the time of day and for missing bars. An alert opens at `rarity_days`. Source: RiskMetrics (1996)
    exponential weighting made robust by winsorising (Huber 1981); tail by peaks over threshold (Pickands 1975). Cost:
    one logarithm, one power above half the threshold. It judges bars; it cannot see a drift that is spread over many
    bars, nor anything within a bar.
    """

    rarity_days: float = 20.0
    min_pct: float = 1.0  # materiality, with min_ticks and min_notional
    min_ticks: float = 2.5
    min_notional: float = 0.0
    min_z: float = 5.0  # below this many scales nothing is worth a second look


STATE = np.dtype([("unused", "i8")])
RECORD = np.dtype(
    [("opens_days", "f8"), ("min_pct", "f8"), ("min_ticks", "f8"), ("min_notional", "f8"), ("min_z", "f8")]
)


def _pack(p: RobustReturn) -> dict[str, float | int]:
    return {
        "opens_days": p.rarity_days,
        "min_pct": p.min_pct,
        "min_ticks": p.min_ticks,
        "min_notional": p.min_notional,
        "min_z": p.min_z,
    }


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh or tick.interval_ns == 0 or not math.isfinite(tick.sigma):
        return NONE
    z = tick.ret / tick.sigma
    if abs(z) < 0.5 * params.min_z:
        return NONE
    signal.direction = 1 if z > 0.0 else -1
    if abs(z) < params.min_z:
        return HALF
    rarity = rarity_days(z, group.tail[tick.phase], tick.per_day)
    change = tick.close / head.close - 1.0
    material = abs(change) * 100.0 >= params.min_pct and abs(tick.close - head.close) >= params.min_ticks * tick.step
    if tick.known and tick.close * tick.volume < params.min_notional:
        material = False
    if rarity < params.opens_days or not material:
        return HALF
    signal.score = capped(max(score_of(rarity), OPENS_AT), material)
    signal.rarity = rarity
    signal.calibrated = group.tail[tick.phase].calibrated
    signal.value = z
    signal.threshold = math.copysign(params.min_z, z)
    signal.before = head.close
    signal.source = tick.source
    signal.detail[0] = z
    signal.detail[1] = tick.ret * 100.0
    signal.detail[2] = tick.sigma * 100.0
    return FIRE


def _sentence(alert: Alert) -> str:
    sigma = float(alert.details["expected_scale_pct"] or 0.0)
    return (
        f"moved {alert.change_pct:+.2f} % in one bar, from {alert.price_before:g} to {alert.price:g}, where about"
        f" {sigma:.2f} % is usual at this time of day ({abs(alert.value):.1f} times that)"
    )


DETECTOR = Detector(
    name="robust_return",
    version=1,
    params=RobustReturn,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="robust_z",
    details=("robust_z", "log_return_pct", "expected_scale_pct"),
    sentence=_sentence,
    features=frozenset({"scale"}),
)
