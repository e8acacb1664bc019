"""zscore: the close against mean and deviation of the last closes, the first prototype's rule."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.stats.moments import MOMENTS, catch_up, slide, variance
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.prices import price_text


class ZScore(Params, frozen=True, forbid_unknown_fields=True):
    """z of the close over the last `window` closes (population deviation), the tick under test among them or not.

    Fires above `threshold`; below `min_closes` closes, or where the closes do not vary, it is silent. Source: control
    charts (Shewhart 1931); with the tick included and n closes, |z| can never pass (n - 1) / sqrt(n) (Shiffler 1988): 3
    at n = 11. Cost: about 5 ns. It judges price levels: it cannot tell a trend from an event, nor what is rare.
    """

    window: int = 20
    threshold: float = 4.0
    include_current: bool = False
    min_closes: int = 20
    score: float = 61.0


STATE = np.dtype([("moments", MOMENTS)])
RECORD = np.dtype([("window", "i8"), ("k2", "f8"), ("include", "i8"), ("least", "i8"), ("score", "f8")])


def _pack(p: ZScore) -> dict[str, float | int]:
    if not (p.window >= 2 and p.threshold > 0):
        raise InputError(f"zscore: window {p.window} must be at least 2 and threshold {p.threshold} above 0")
    return {
        "window": p.window,
        "k2": p.threshold * p.threshold,
        "include": int(p.include_current),
        "least": min(max(2, p.min_closes), p.window),
        "score": p.score,
    }


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    moments = state.moments
    catch_up(moments, head, params.window)
    if params.include:
        slide(moments, head, tick.close, params.window)
    level = NONE
    n = min(moments.n, params.window)
    if n >= params.least:
        var = variance(moments, head, n, params.include, tick.close)
        d = (tick.close - moments.anchor) - moments.s1 / n
        if var > 0.0 and 4.0 * d * d > params.k2 * var:
            signal.direction = 1 if d > 0.0 else -1
            level = HALF
            if d * d > params.k2 * var:
                level = FIRE
                deviation = math.sqrt(var)
                signal.score = params.score
                signal.rarity = 0.0
                signal.calibrated = 1
                signal.value = d / deviation
                signal.threshold = math.copysign(math.sqrt(params.k2), d)
                signal.before = head.close
                signal.source = FIXED
                signal.detail[0] = d / deviation
                signal.detail[1] = tick.close - d
                signal.detail[2] = deviation
                signal.detail[3] = n
    if not params.include:
        slide(moments, head, tick.close, params.window)
    return level


def _sentence(alert: Alert) -> str:
    mean, deviation = float(alert.details["mean"] or 0.0), float(alert.details["std_dev"] or 0.0)
    return (
        f"closed at {price_text(alert.price)}, {alert.value:+.2f} deviations from the mean {price_text(mean)} of"
        f" the last {alert.details['closes']:g} closes (deviation {price_text(deviation)})"
    )


DETECTOR = Detector(
    name="zscore",
    version=1,
    params=ZScore,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="z_score",
    details=("z_score", "mean", "std_dev", "closes"),
    sentence=_sentence,
    closes=lambda p: p.window,
)
