"""peg_deviation: the price leaves the one that it is meant to keep."""

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.stats.scale import FIXED
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.prices import price_text


class PegDeviation(Params, frozen=True, forbid_unknown_fields=True):
    """Every close of at least `hold` was `pct` or more from the peg on one side, or one is `at_once_pct` from it.

    The peg stands in the instruments file, in the quote currency; without one the rule is silent. Severity is by depth:
    medium from `pct`, high from `at_once_pct`, critical from `critical_pct`, and so it worsens as it goes deeper. A gap
    in the tape begins the time anew, and the first close after it opens nothing.
    Source: S&P Global 2023, "Stablecoins: A Deep Dive into Valuation and Depegging", which tells depegs by depth and
    minutes, and takes one minute for noise. Cost: a division a bar. It cannot see reserves or redemptions, nor whether
    the money that it is quoted in left its own worth instead.
    """

    pct: float = 0.5
    hold: Duration = "5m"
    at_once_pct: float = 2.0
    critical_pct: float = 5.0
    min_ticks: float = 2.5


STATE = np.dtype([("side", "i8"), ("since_ns", "i8")])
RECORD = np.dtype(
    [("pct", "f8"), ("hold_ns", "i8"), ("at_once", "f8"), ("critical", "f8"), ("min_ticks", "f8")],
)


def _pack(p: PegDeviation) -> dict[str, float | int]:
    if not 0 < p.pct < p.at_once_pct < p.critical_pct:
        raise InputError(
            f"peg_deviation: pct {p.pct} < at_once_pct {p.at_once_pct} < critical_pct {p.critical_pct} must hold"
        )
    return {
        "pct": p.pct,
        "hold_ns": duration_ns(p.hold),
        "at_once": p.at_once_pct,
        "critical": p.critical_pct,
        "min_ticks": p.min_ticks,
    }


@compiled
def side_of(params: Row, group: Row, tick: Row, change: float) -> int:
    """1 above the peg, -1 below it, 0 where the distance is below `pct` or a matter of tick sizes."""
    if abs(change) < params.pct or abs(tick.close - group.peg) < params.min_ticks * tick.step:
        return 0
    return 1 if change > 0.0 else -1


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if not group.peg > 0.0:
        return NONE
    change = 100.0 * (tick.close / group.peg - 1.0)
    side = side_of(params, group, tick, change)
    if side == 0 or side != state.side or tick.fresh:
        state.since_ns = tick.act_ns
    state.side = side
    if tick.fresh or abs(change) < 0.5 * params.pct:
        return NONE
    signal.direction = 1 if change > 0.0 else -1
    held_ns = tick.act_ns - state.since_ns
    if side == 0 or (held_ns < params.hold_ns and abs(change) < params.at_once):
        return HALF
    signal.score = percent_score(change, params.pct, params.at_once, params.critical)
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = change
    held = held_ns >= params.hold_ns
    signal.confirmed = 1 if held else 0
    signal.threshold = side * (params.pct if held else params.at_once)
    signal.before = group.peg
    signal.source = FIXED
    signal.detail[0] = group.peg
    signal.detail[1] = held_ns / 1e9
    return FIRE


def _sentence(alert: Alert) -> str:
    seconds = float(alert.details["held_s"] or 0.0)
    return (
        f"is {alert.value:+.2f} % from its peg of {price_text(alert.price_before)}, at {price_text(alert.price)},"
        f" and has been away from it for {seconds:.0f} s, where {abs(alert.threshold):g} % is the limit"
    )


DETECTOR = Detector(
    name="peg_deviation",
    version=1,
    params=PegDeviation,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="from_peg_pct",
    details=("peg", "held_s"),
    sentence=_sentence,
    chunks=True,
)
