"""price_move: the price is some percent away from where it was a horizon ago ("significant price drop")."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.features import close_before, volume_now
from tapewatch.detection.stats.scale import FIXED, OWN_PHASE, calm_share
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.prices import price_text


class PriceMove(Params, frozen=True, forbid_unknown_fields=True):
    """Change in percent of the close against the newest close that is at least `horizon` old.

    Severity is medium from `pct`, high from `high_pct`, critical from `critical_pct`. Works from the second tick
    (against the oldest close there is). Where bars are missing, the percents grow with the square root of the time,
    up to 30 bars; beyond, it is a gap and no move. Some coins pass 3 % several times a day: `calm_scales` lets all
    three percents grow for them, and `min_scales` holds back what a burst in progress makes usual. Source: percent
    bands as in exchange rule books (e.g. Nasdaq LULD, single-stock circuit breakers). Cost: a walk back over at most
    16 closes. It cannot see a drift slower than its horizon.
    """

    horizon: Duration = "1m"
    pct: float = 3.0
    high_pct: float = 5.0
    critical_pct: float = 10.0
    min_scales: float = 0.0  # of the symbol's own robust scale over the horizon, once it has one: less is usual now
    calm_scales: float = 0.0  # the same of its slow scale alone: where this is more than `pct`, all percents grow
    fall_scales: float = 0.0  # what `calm_scales` is for falls; 0: the same
    relative: bool = False  # silent until the symbol has a scale of its own
    min_volume: float = 0.0  # times the normal volume, over the newest bars, where that is known
    min_ticks: float = 2.5  # a move of fewer tick sizes is never material
    min_notional: float = 0.0  # in the quote currency, of the tick, where its volume is known
    min_bar: Duration = "0s"  # bars and chunks below this length are not judged: scales calibrated on longer ones


STATE = np.dtype([("provisional", "i8")])
RECORD = np.dtype(
    [
        ("horizon_ns", "i8"),
        ("pct", "f8"),
        ("high", "f8"),
        ("critical", "f8"),
        ("min_scales", "f8"),
        ("calm_scales", "f8"),
        ("fall_scales", "f8"),
        ("relative", "i8"),
        ("min_volume", "f8"),
        ("min_ticks", "f8"),
        ("min_notional", "f8"),
        ("min_bar_ns", "i8"),
    ]
)


def _pack(p: PriceMove) -> dict[str, float | int]:
    if not 0 < p.pct <= p.high_pct <= p.critical_pct:
        raise InputError(
            f"price_move: 0 < pct {p.pct} <= high_pct {p.high_pct} <= critical_pct {p.critical_pct} must hold"
        )
    return {
        "horizon_ns": duration_ns(p.horizon),
        "pct": p.pct,
        "high": p.high_pct,
        "critical": p.critical_pct,
        "min_scales": p.min_scales,
        "calm_scales": p.calm_scales,
        "fall_scales": p.fall_scales or p.calm_scales,
        "relative": int(p.relative),
        "min_volume": p.min_volume,
        "min_ticks": p.min_ticks,
        "min_notional": p.min_notional,
        "min_bar_ns": duration_ns(p.min_bar),
    }


@compiled
def usual_pct(tick: Row, elapsed_ns: int) -> float:
    """Percent that the symbol now moves in this time as a rule; 0 where it has no scale of its own."""
    if tick.source != OWN_PHASE or tick.interval_ns == 0:
        return 0.0
    return float(100.0 * tick.sigma * math.sqrt(max(1.0, elapsed_ns / tick.interval_ns)))


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh or head.recent_n == 0 or 0 < tick.interval_ns < params.min_bar_ns:
        return NONE
    j = close_before(head, tick.act_ns - params.horizon_ns)
    before = head.recent_close[j]
    change = tick.close / before - 1.0
    size = abs(change) * 100.0
    if size < 0.5 * params.pct:
        return NONE
    elapsed = tick.act_ns - head.recent_ns[j]
    stretch = math.sqrt(max(1.0, elapsed / params.horizon_ns))
    signal.direction = 1 if change > 0.0 else -1
    usual = usual_pct(tick, elapsed)
    if params.relative and usual == 0.0:
        return NONE
    calm_scales = params.calm_scales if change > 0.0 else params.fall_scales
    grown = max(stretch, calm_scales * usual * calm_share(head.scale[tick.phase]) / params.pct)
    opens = max(params.pct * grown, params.min_scales * usual)
    if size < opens:
        return HALF if size >= 0.5 * opens else NONE
    if volume_now(head, tick) < params.min_volume:
        return HALF
    if abs(tick.close - before) < params.min_ticks * tick.step:
        return NONE
    if tick.known and tick.close * tick.volume < params.min_notional:
        return NONE
    signal.score = percent_score(size, opens, max(opens, params.high * grown), max(opens, params.critical * grown))
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = change * 100.0
    signal.threshold = opens
    signal.before = before
    signal.source = FIXED
    signal.detail[0] = params.horizon_ns / 1e9
    signal.detail[1] = elapsed / 1e9
    return FIRE


def _sentence(alert: Alert) -> str:
    seconds = float(alert.details["elapsed_s"] or 0.0)
    return (
        f"moved {alert.value:+.2f} % within {seconds:g} s, from {price_text(alert.price_before)} to"
        f" {price_text(alert.price)}, where {alert.threshold:.2f} % is the limit"
    )


DETECTOR = Detector(
    name="price_move",
    version=3,
    params=PriceMove,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="change_pct",
    details=("horizon_s", "elapsed_s"),
    sentence=_sentence,
    features=frozenset({"recent", "scale", "volume"}),
    chunks=True,
    knobs={"min_scales": 1.0, "calm_scales": 1.0, "fall_scales": 1.0},
)
