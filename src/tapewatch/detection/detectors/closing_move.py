"""closing_move: the price is dislocated in the last minutes of a session, where closing prices are made."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.sessions import day_until_ns
from tapewatch.detection.stats.scale import OWN_PHASE
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.prices import price_text


class ClosingMove(Params, frozen=True, forbid_unknown_fields=True):
    """Within `window` of the end of the regular session: the close against the last one before that window, at least
    `pct`, `min_ticks` tick sizes and `scales` times what the symbol does in as many bars. Source: marking the close,
    e.g. Comerton-Forde and Putnins 2011, "Measuring closing price manipulation". Cost: a comparison a bar outside it.
    It cannot see the closing auction's own price unless the feed delivers it as a bar, nor who traded.
    """

    window: Duration = "15m"
    pct: float = 1.5
    high_pct: float = 4.0
    critical_pct: float = 8.0
    scales: float = 6.0
    min_ticks: float = 2.5


STATE = np.dtype([("close_ns", "i8"), ("before", "f8"), ("before_ns", "i8")])
RECORD = np.dtype(
    [
        ("window_ns", "i8"),
        ("pct", "f8"),
        ("high", "f8"),
        ("critical", "f8"),
        ("scales", "f8"),
        ("min_ticks", "f8"),
    ]
)


def _pack(p: ClosingMove) -> dict[str, float | int]:
    return {
        "window_ns": duration_ns(p.window),
        "pct": p.pct,
        "high": p.high_pct,
        "critical": p.critical_pct,
        "scales": p.scales,
        "min_ticks": p.min_ticks,
    }


REGULAR = 2


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    close_ns = day_until_ns(head)
    if tick.phase != REGULAR or tick.act_ns <= close_ns - params.window_ns:
        return NONE
    if state.close_ns != close_ns:
        state.close_ns = close_ns
        state.before = 0.0 if tick.fresh else head.close
        state.before_ns = head.close_ns
    if tick.interval_ns == 0 or tick.source != OWN_PHASE or not state.before > 0.0:
        return NONE
    bars = max(1.0, (tick.act_ns - state.before_ns) / tick.interval_ns)
    usual = 100.0 * tick.sigma * math.sqrt(bars)
    opens = max(params.pct, params.scales * usual)
    change = 100.0 * (tick.close / state.before - 1.0)
    size = abs(change)
    if size < opens or abs(tick.close - state.before) < params.min_ticks * tick.step:
        return NONE
    signal.direction = 1 if change > 0.0 else -1
    signal.score = percent_score(size, opens, max(opens, params.high), max(opens, params.critical))
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = change
    signal.threshold = opens
    signal.before = state.before
    signal.source = tick.source
    signal.detail[0] = (close_ns - tick.act_ns) / 1e9
    signal.detail[1] = usual
    return FIRE


def _sentence(alert: Alert) -> str:
    left = float(alert.details["seconds_to_close"] or 0.0)
    return (
        f"moved {alert.value:+.2f} % with {left:.0f} s left to the close, from {price_text(alert.price_before)} to"
        f" {price_text(alert.price)}, where {alert.threshold:.2f} % is the limit"
    )


DETECTOR = Detector(
    name="closing_move",
    version=1,
    params=ClosingMove,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="closing_change_pct",
    details=("seconds_to_close", "usual_pct"),
    sentence=_sentence,
    features=frozenset({"scale"}),
    defaults={"phases": "regular"},
    chunks=True,
)
