"""feed_disorder: a symbol's feed repeats itself, corrects itself or goes back in time, again and again."""

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.admission import DUPLICATE, LATE
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.errors import InputError


class FeedDisorder(Params, frozen=True, forbid_unknown_fields=True):
    """`least` records that were late, duplicates or corrections within `window`, and `share_pct` of all that came then.

    Such records are never judged; one of them is everyday life, a burst says that a feed was connected twice, replays
    after a break, or sorts wrongly, and that prices are missing from every rule meanwhile. The window begins with the
    first such record and is measured by the symbol's own clock, which they do not move; a signal is told at `least` and
    at each doubling. Source: the share of out-of-order and repeated records as a measure of a feed's health
    (Barndorff-Nielsen, Hansen, Lunde and Shephard 2009, "Realized kernels in practice"; FIX PossDupFlag). Cost: nothing
    for a record in order, 20 ns for another. It cannot see trades that repeat without a trade id, nor which is true.
    """

    least: int = 20
    share_pct: float = 5.0
    window: Duration = "5m"


STATE = np.dtype(
    [("from_ns", "i8"), ("accepted", "i8"), ("late", "i4"), ("repeated", "i4"), ("corrected", "i4"), ("told", "i4")]
)
RECORD = np.dtype([("least", "i8"), ("share", "f8"), ("window_ns", "i8")])


def _pack(p: FeedDisorder) -> dict[str, float | int]:
    if p.least < 2:
        raise InputError(f"feed_disorder: least {p.least} must be at least 2")
    return {"least": p.least, "share": p.share_pct, "window_ns": duration_ns(p.window)}


@compiled
def begin(state: Row, head: Row, now_ns: int) -> None:
    """A new window, with nothing in it."""
    state.from_ns = now_ns
    state.accepted = head.count
    state.late = 0
    state.repeated = 0
    state.corrected = 0
    state.told = 0


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    n = state.late + state.repeated + state.corrected
    if n == 0 or tick.act_ns - state.from_ns >= params.window_ns:
        begin(state, head, tick.act_ns)
        n = 0
    if tick.verdict == LATE:
        state.late += 1
    elif tick.verdict == DUPLICATE:
        state.repeated += 1
    else:
        state.corrected += 1
    n += 1
    share = 100.0 * n / (n + head.count - state.accepted)
    signal.direction = 0
    if n < params.least or share < params.share or n < 2 * state.told:
        return HALF if 2 * n >= params.least else NONE
    state.told = n
    signal.score = OPENS_AT
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = n
    signal.threshold = params.least
    signal.before = head.close
    signal.source = FIXED
    signal.detail[0] = state.late
    signal.detail[1] = state.repeated
    signal.detail[2] = state.corrected
    signal.detail[3] = share
    signal.detail[4] = (tick.act_ns - state.from_ns) / 1e9
    return FIRE


def _sentence(alert: Alert) -> str:
    late, repeated, corrected, share, seconds = (
        float(alert.details[name] or 0.0) for name in ("late", "repeated", "corrected", "share_pct", "within_s")
    )
    return (
        f"had {alert.value:g} records out of order within {seconds:.0f} s of its clock ({late:g} late, {repeated:g}"
        f" repeated, {corrected:g} corrected), {share:.0f} % of all that came; none of them was judged"
    )


DETECTOR = Detector(
    name="feed_disorder",
    version=1,
    params=FeedDisorder,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="records_out_of_order",
    details=("late", "repeated", "corrected", "share_pct", "within_s"),
    sentence=_sentence,
    category="data_quality",
    alert_type="feed_disorder",
    fates=True,
)
