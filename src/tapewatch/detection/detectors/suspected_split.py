"""suspected_split: a gap that is nearly a whole ratio looks like a split that nobody announced."""

import numpy as np

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.features import silence_ns
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.prices import price_text
from tapewatch.model.times import HOUR_NS


class SuspectedSplit(Params, frozen=True, forbid_unknown_fields=True):
    """The first two closes after at least `min_hours` without one both lie within `near_pct` of a usual ratio (1.5, 2,
    3, 4, 5, 8, 10, 15, 20, 25, 50, or one over it) times the last close before.

    It is told as data quality, and nothing is restated: a split is proposed, never applied; announced ones stand in the
    instruments file and are no gap. Source: corporate-action checks of price series, e.g. Brownlees and Gallo 2006.
    Cost: a comparison a tick, eleven ratios a gap. Gaps are more than 30 bars (`features.is_gap`): over a night of 17.5
    hours only bars below 35 minutes have one. It cannot tell a halving from a split of two to one, nor see one
    that goes with a large move.
    """

    near_pct: float = 3.0
    min_hours: float = 4.0


STATE = np.dtype([("before", "f8"), ("ratio", "f8")])
RECORD = np.dtype([("near", "f8"), ("min_ns", "f8")])


def _pack(p: SuspectedSplit) -> dict[str, float | int]:
    return {"near": p.near_pct / 100.0, "min_ns": p.min_hours * HOUR_NS}


RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 8.0, 10.0, 15.0, 20.0, 25.0, 50.0)


@compiled
def near_ratio(change: float, near: float) -> float:
    """The usual ratio that a price relative is near to: above 1 for a split, below for a reverse one; 0 for none."""
    for ratio in RATIOS:
        if abs(change * ratio - 1.0) <= near:
            return ratio
        if abs(change / ratio - 1.0) <= near:
            return 1.0 / ratio
    return 0.0


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh:
        state.before = 0.0
        if head.close > 0.0 and silence_ns(head, tick.act_ns) >= params.min_ns:
            state.ratio = near_ratio(tick.close / head.close, params.near)
            state.before = head.close
        return NONE
    before = state.before
    state.before = 0.0
    if before == 0.0 or state.ratio == 0.0 or near_ratio(tick.close / before, params.near) != state.ratio:
        return NONE
    signal.direction = 0
    signal.score = OPENS_AT
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = state.ratio
    signal.threshold = RATIOS[0]
    signal.before = before
    signal.source = FIXED
    signal.detail[0] = state.ratio
    return FIRE


def _sentence(alert: Alert) -> str:
    ratio = float(alert.details["ratio"] or 0.0)
    kind = f"a split of {ratio:g} to 1" if ratio > 1.0 else f"a reverse split of 1 to {1.0 / ratio:g}"
    return (
        f"opened at {price_text(alert.price)} after {price_text(alert.price_before)},"
        f" which looks like {kind} that nobody announced"
    )


DETECTOR = Detector(
    name="suspected_split",
    version=1,
    params=SuspectedSplit,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="ratio",
    details=("ratio",),
    sentence=_sentence,
    category="data_quality",
    alert_type="suspected_split",
    chunks=True,
)
