"""volatility_regime: half an hour that is far more volatile than this symbol is at this time of day; told once."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.stats.scale import NORMAL, OWN_PHASE, calm_share
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.times import MINUTE_NS


class VolatilityRegime(Params, frozen=True, forbid_unknown_fields=True):
    """Realised volatility of the last 30 minutes, looked at every five, against the symbol's slow scale of this phase
    and time of day: at least `ratio` times what is usual of it, `min_z` deviations above that in logarithms, and in
    four of its six parts at least the square root of `ratio` times it.

    It is one alert a regime: a signal where it begins, one more where it gets worse by a band of severity, and none
    until it has ended, which is below half of `min_z`. A jump is no regime: of each two neighbouring returns only the
    smaller counts, and minutes are no half hour. The usual level and its spread are learnt clipped, with a prior of a
    spread of 0.4, so that a new level is learnt in days. Its alerts have no direction.
    Regular and continuous phases only: elsewhere it would tell the spread; and beside `bad_print`, since a wrong price
    and the way back from it are two neighbours.
    Source: MinRV (Andersen, Dobrev and Schaumburg 2012, "Jump-robust volatility estimation using nearest neighbor
    truncation"); logarithms of realised volatility are nearly normal (Andersen, Bollerslev, Diebold and Ebens 2001).
    Cost: a division a bar, a logarithm every five minutes. It cannot see a regime of less than a quarter of an hour,
    nor one that began before its first 60 bars, and judges no bars above five minutes nor below `min_bar`.
    """

    ratio: float = 2.5
    min_z: float = 4.0
    min_pct: float = 0.5  # of the price: what half an hour at this volatility moves it by
    min_ticks: float = 2.5  # the same in tick sizes
    min_bar: Duration = "1m"


PARTS, LASTING = 6, 4
PART_NS = 5 * MINUTE_NS
MIN_RV = math.pi / (math.pi - 2.0)
PRIOR, PRIOR_WINDOWS = 0.4, 48.0
MEMORY = 1.0 / 1440.0  # five days of what never closes, eighteen sessions
FLOOR = -3.0  # of the logarithm: a market that stands still
CLIP = 3.0
BAND = 14.0  # of the score

STATE = np.dtype(
    [
        ("phase", "i8"),  # one more than its code; 0: the window is empty
        ("cell", "i8"),  # the newest part, on the grid of five minutes
        ("before", "f8"),  # size of the return before, in slow scales
        ("squares", "f8", (PARTS,)),
        ("n", "i8", (PARTS,)),
        ("windows", "f8"),
        ("level", "f8"),  # usual logarithm of the window against the slow scale
        ("spread", "f8"),  # usual deviation from it, less PRIOR
        ("told", "f8"),  # highest score told of the regime that lasts; 0: none does
    ]
)
RECORD = np.dtype([("ratio", "f8"), ("min_z", "f8"), ("min_pct", "f8"), ("min_ticks", "f8"), ("min_bar_ns", "i8")])


def _pack(p: VolatilityRegime) -> dict[str, float | int]:
    return {
        "ratio": p.ratio,
        "min_z": p.min_z,
        "min_pct": p.min_pct,
        "min_ticks": p.min_ticks,
        "min_bar_ns": duration_ns(p.min_bar),
    }


@compiled
def clear(state: Row) -> None:
    """Empty the window, and end the regime; what is usual stays known."""
    state.phase = 0
    state.before = 0.0
    state.told = 0.0
    for j in range(PARTS):
        state.squares[j] = 0.0
        state.n[j] = 0


@compiled
def window(state: Row) -> float:
    """Logarithm of the window's volatility in slow scales; NaN where one of its parts is empty."""
    total = 0.0
    n = 0
    for j in range(PARTS):
        if state.n[j] == 0:
            return math.nan
        total += state.squares[j]
        n += state.n[j]
    return max(FLOOR, 0.5 * math.log(max(MIN_RV * total / n, 1e-12)))


@compiled
def lasts(state: Row, log_vol: float) -> bool:
    """Is it as volatile as that in at least `LASTING` of the window's parts, which must all hold something?"""
    n = 0
    for j in range(PARTS):
        if MIN_RV * state.squares[j] >= state.n[j] * math.exp(2.0 * log_vol):
            n += 1
    enough: bool = n >= LASTING
    return enough


@compiled
def learn(state: Row, log_vol: float) -> None:
    """Take a window into what is usual, clipped."""
    usual = PRIOR + state.spread
    off = min(max(log_vol - state.level, -CLIP * usual), CLIP * usual)
    weight = max(1.0 / (PRIOR_WINDOWS + state.windows), MEMORY)
    state.level += weight * off
    state.spread += weight * (NORMAL * abs(off) - usual)
    state.windows += 1.0


@compiled
def move_on(state: Row, cell: int) -> None:
    """Make the part of `cell` the newest, and empty those that it takes the place of."""
    for j in range(1, min(cell - state.cell, PARTS) + 1):
        state.squares[(state.cell + j) % PARTS] = 0.0
        state.n[(state.cell + j) % PARTS] = 0
    state.cell = cell


@compiled
def judge(state: Row, params: Row, head: Row, tick: Row, scale: float, signal: Row) -> int:
    """The window of the six parts that are over, once a part."""
    log_vol = window(state)
    if not math.isfinite(log_vol):
        return NONE
    off = log_vol - state.level
    z = off / (PRIOR + state.spread)
    lasting = lasts(state, state.level + 0.5 * math.log(params.ratio))
    usual = scale * math.exp(state.level) * math.sqrt(PARTS * PART_NS / tick.interval_ns)
    now = usual * math.exp(off)
    learn(state, log_vol)
    if z < 0.5 * params.min_z:
        state.told = 0.0
        return NONE
    material = 100.0 * now >= params.min_pct and now * tick.close >= params.min_ticks * tick.step
    score = min(89.0, OPENS_AT + 7.0 * (z - params.min_z))
    signal.direction = 0
    rises = z >= params.min_z and off >= math.log(params.ratio) and lasting
    if not rises or not material or 0.0 < state.told > score - BAND:
        return HALF if state.told > 0.0 else NONE
    state.told = score
    signal.score = score
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.confirmed = 1
    signal.value = math.exp(off)
    signal.threshold = params.ratio
    signal.before = head.close
    signal.source = tick.source
    signal.detail[0] = z
    signal.detail[1] = 100.0 * now
    signal.detail[2] = 100.0 * usual
    return FIRE


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    known = tick.source == OWN_PHASE and params.min_bar_ns <= tick.interval_ns <= PART_NS
    if tick.fresh or not known or (state.phase > 0 and state.phase != tick.phase + 1):
        clear(state)
        return NONE
    scale = tick.sigma * calm_share(head.scale[tick.phase])
    size = abs(tick.ret) / scale
    cell = (tick.act_ns - 1) // PART_NS
    signal.direction = 0
    level = HALF if state.told > 0.0 else NONE
    if state.phase == 0:
        state.phase = tick.phase + 1
        state.cell = cell
    elif cell > state.cell:
        level = judge(state, params, head, tick, scale, signal)
        move_on(state, cell)
    if state.before > 0.0:
        state.squares[cell % PARTS] += min(size, state.before) ** 2
        state.n[cell % PARTS] += 1
    state.before = max(size, 1e-9)
    return level


def _sentence(alert: Alert) -> str:
    now, usual = (float(alert.details[name] or 0.0) for name in ("half_hour_pct", "usual_pct"))
    return (
        f"has been {alert.value:.1f} times as volatile for half an hour as is usual at this time of day: {now:.2f} %"
        f" over 30 minutes against {usual:.2f} %"
    )


DETECTOR = Detector(
    name="volatility_regime",
    version=1,
    params=VolatilityRegime,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="volatility_ratio",
    details=("log_z", "half_hour_pct", "usual_pct"),
    sentence=_sentence,
    alert_type="volatility_regime",
    features=frozenset({"scale"}),
    defaults={"phases": "regular,continuous"},
    chunks=True,
    directed=False,
    knobs={"min_z": 1.0},
)
