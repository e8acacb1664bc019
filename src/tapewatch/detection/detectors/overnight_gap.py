"""overnight_gap: the price over a night, a weekend or a halt, which no return is taken over."""

import numpy as np

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.features import silence_ns
from tapewatch.detection.stats.scale import FIXED
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.prices import price_text
from tapewatch.model.times import HOUR_NS


class OvernightGap(Params, frozen=True, forbid_unknown_fields=True):
    """The first two closes after at least `min_hours` without one, against the last before. It fires at the second, so
    that one print is no gap, where the smaller of both is at least `pct`, and `times` the usual gap of this
    symbol (an exponentially weighted mean, clipped at five times itself) once it has seen three. Gaps are more than 30
    bars (`features.is_gap`): over a night of 17.5 hours bars below 35 minutes have one, and longer ones a return.
    Source: overnight and intraday returns are laws of their own (Lockwood and Linn 1990). Cost: a comparison a tick. It
    cannot tell news from an error of the feed, nor a split that nobody announced (see suspected_split); what never
    closes has no gaps.
    """

    pct: float = 4.0
    high_pct: float = 10.0
    critical_pct: float = 25.0
    times: float = 4.0
    min_hours: float = 4.0


STATE = np.dtype([("before", "f8"), ("first", "f8"), ("usual", "f8"), ("n", "i8")])
RECORD = np.dtype([("pct", "f8"), ("high", "f8"), ("critical", "f8"), ("times", "f8"), ("min_ns", "f8")])


def _pack(p: OvernightGap) -> dict[str, float | int]:
    return {
        "pct": p.pct,
        "high": p.high_pct,
        "critical": p.critical_pct,
        "times": p.times,
        "min_ns": p.min_hours * HOUR_NS,
    }


ENOUGH = 3
WEIGHT = 0.1


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh:
        state.before = head.close if head.close > 0.0 and silence_ns(head, tick.act_ns) >= params.min_ns else 0.0
        state.first = tick.close
        return NONE
    before = state.before
    if before == 0.0:
        return NONE
    state.before = 0.0
    one = state.first / before - 1.0
    two = tick.close / before - 1.0
    size = 100.0 * min(abs(one), abs(two)) if one * two > 0.0 else 0.0
    usual = state.usual
    n = state.n
    opens = max(params.pct, params.times * usual) if n >= ENOUGH else params.pct
    state.n = n + 1
    state.usual += max(WEIGHT, 1.0 / (n + 1.0)) * ((min(size, 5.0 * usual) if n >= ENOUGH else size) - usual)
    if size < opens:
        return NONE
    signal.direction = 1 if two > 0.0 else -1
    signal.score = percent_score(size, opens, max(opens, params.high), max(opens, params.critical))
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = 100.0 * two
    signal.threshold = opens
    signal.before = before
    signal.source = FIXED
    signal.detail[0] = size
    signal.detail[1] = usual
    return FIRE


def _sentence(alert: Alert) -> str:
    return (
        f"opened {alert.value:+.2f} % away from its last close, at {price_text(alert.price)} after"
        f" {price_text(alert.price_before)}, where {alert.threshold:.2f} % is the limit"
    )


DETECTOR = Detector(
    name="overnight_gap",
    version=1,
    params=OvernightGap,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="gap_pct",
    details=("gap_pct", "usual_gap_pct"),
    sentence=_sentence,
    chunks=True,
)
