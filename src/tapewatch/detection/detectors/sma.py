"""sma: the close is some percent away from the mean of the last closes, the first prototype's second rule."""

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.stats.moments import MOMENTS, catch_up, slide
from tapewatch.detection.stats.scale import FIXED
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.prices import price_text


class Sma(Params, frozen=True, forbid_unknown_fields=True):
    """Deviation in percent of the close from the simple moving average of the last `window` closes, the tick under
    test among them or not; silent until the window is full.

    Source: moving-average envelopes (e.g. Brock, Lakonishok and LeBaron 1992). Cost: about 3 ns. It cannot tell
    a steady trend from an event: it lags by half its window and keeps firing.
    """

    window: int = 20
    pct: float = 5.0
    high_pct: float = 7.5
    critical_pct: float = 15.0
    include_current: bool = False


STATE = np.dtype([("moments", MOMENTS)])
RECORD = np.dtype([("window", "i8"), ("pct", "f8"), ("high", "f8"), ("critical", "f8"), ("include", "i8")])


def _pack(p: Sma) -> dict[str, float | int]:
    if not (p.window >= 2 and 0 < p.pct <= p.high_pct <= p.critical_pct):
        raise InputError("sma: window must be at least 2, and 0 < pct <= high_pct <= critical_pct must hold")
    return {
        "window": p.window,
        "pct": p.pct,
        "high": p.high_pct,
        "critical": p.critical_pct,
        "include": int(p.include_current),
    }


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    moments = state.moments
    catch_up(moments, head, params.window)
    if params.include:
        slide(moments, head, tick.close, params.window)
    level = NONE
    if moments.n >= params.window:
        mean = moments.anchor + moments.s1 / params.window
        change = (tick.close - mean) * 100.0
        if abs(change) > 0.5 * params.pct * mean and mean > 0.0:
            change /= mean
            signal.direction = 1 if change > 0.0 else -1
            level = HALF
            if abs(change) > params.pct:
                level = FIRE
                signal.score = max(61.0, percent_score(change, params.pct, params.high, params.critical))
                signal.rarity = 0.0
                signal.calibrated = 1
                signal.value = change
                signal.threshold = params.pct
                signal.before = head.close
                signal.source = FIXED
                signal.detail[0] = mean
                signal.detail[1] = change
                signal.detail[2] = params.window
    if not params.include:
        slide(moments, head, tick.close, params.window)
    return level


def _sentence(alert: Alert) -> str:
    mean = float(alert.details["sma"] or 0.0)
    return (
        f"closed at {price_text(alert.price)}, {alert.value:+.2f} % from the mean {price_text(mean)} of the last"
        f" {alert.details['closes']:g} closes, where {alert.threshold:g} % is the limit"
    )


DETECTOR = Detector(
    name="sma",
    version=1,
    params=Sma,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="deviation_pct",
    details=("sma", "deviation_pct", "closes"),
    sentence=_sentence,
    closes=lambda p: p.window,
)
