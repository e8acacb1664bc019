"""flash_crash: a fall within two bars of which most is made good within the next six."""

import numpy as np

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.features import volume_now
from tapewatch.detection.layout import RECENT, RECENT_GRID_NS
from tapewatch.detection.stats.scale import OWN_PHASE, calm_share
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.prices import price_text


class FlashCrash(Params, frozen=True, forbid_unknown_fields=True):
    """A fall in at most two bars that is large for the symbol, most of it made good in at most six, on more than its
    usual volume.

    It fires where the fall is at least `scales` of the symbol's slow robust scale of one bar, and at least `pct`, and
    `back` of it is won back. A move that comes back is rarer than one that stays, so less of it is enough. Size and
    volume stand in for each other: below `min_volume` (down to half of it) the fall must be larger in proportion.
    Source: flash crashes are told by drop and recovery, e.g. Christensen, Oomen and Reno 2022, "The drift burst
    hypothesis". Cost: at most twelve differences where the newest bar rose by half a scale or more on that volume. It
    judges closes of bars: it cannot see a crash within one bar, nor in bars or chunks below 20 s, which the shared
    window of closes does not hold one by one.
    """

    scales: float = 8.5
    min_scales: float = 4.2  # of the scale with its bursts: what a burst in progress makes usual is held back
    back: float = 0.65  # of the fall
    pct: float = 0.5
    high_pct: float = 5.0
    critical_pct: float = 10.0
    min_ticks: float = 5.0
    min_volume: float = 3.0  # times the normal volume, over the newest bars, where that is known


STATE = np.dtype([("unused", "i8")])
RECORD = np.dtype(
    [
        ("scales", "f8"),
        ("min_scales", "f8"),
        ("back", "f8"),
        ("pct", "f8"),
        ("high", "f8"),
        ("critical", "f8"),
        ("min_ticks", "f8"),
        ("min_volume", "f8"),
    ]
)
FALL, RECOVER = 2, 6
TRACE = 1e-9  # of the normal volume: keeps a quotient finite
SHORT = 0.5  # of a scale: a smaller step ends no recovery of ten scales within six bars


def _pack(p: FlashCrash) -> dict[str, float | int]:
    return {
        "scales": p.scales,
        "min_scales": p.min_scales,
        "back": p.back,
        "pct": p.pct,
        "high": p.high_pct,
        "critical": p.critical_pct,
        "min_ticks": p.min_ticks,
        "min_volume": p.min_volume,
    }


@compiled
def largest(head: Row, tick: Row, back: float) -> tuple[float, int, int]:
    """(size in percent, place of the low, place of the price before) of the largest fall that is made good by now."""
    n = head.recent_n
    oldest = max(0, n - RECENT)
    size = 0.0
    turn = 0
    begin = 0
    for i in range(n - 1, max(oldest, n - 1 - RECOVER), -1):
        if tick.act_ns - head.recent_ns[i % RECENT] > RECOVER * tick.interval_ns:
            break
        low = head.recent_close[i % RECENT]
        recovery = (tick.close - low) / low
        if recovery <= back * size:
            continue
        for j in range(i - 1, max(oldest, i - FALL) - 1, -1):
            before = head.recent_close[j % RECENT]
            if head.recent_ns[i % RECENT] - head.recent_ns[j % RECENT] > FALL * tick.interval_ns:
                break
            fall = (before - low) / before
            if fall > size and recovery >= back * fall:
                size = fall
                turn = i
                begin = j
    return 100.0 * size, turn % RECENT, begin % RECENT


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh or tick.interval_ns < RECENT_GRID_NS or tick.source != OWN_PHASE or head.recent_n < 2:
        return NONE
    if tick.ret < SHORT * tick.sigma:
        return NONE
    volume = volume_now(head, tick)
    if volume < 0.5 * params.min_volume:
        return NONE
    usual = 100.0 * tick.sigma * max(1.0, params.min_volume / max(volume, TRACE))
    opens = max(params.pct, params.scales * usual * calm_share(head.scale[tick.phase]), params.min_scales * usual)
    size, turn, begin = largest(head, tick, params.back)
    before = head.recent_close[begin]
    low = head.recent_close[turn]
    if size < opens or before - low < params.min_ticks * tick.step:
        return NONE
    signal.direction = -1
    signal.score = percent_score(size, opens, max(opens, params.high), max(opens, params.critical))
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = size
    signal.threshold = opens
    signal.before = before
    signal.source = tick.source
    signal.detail[0] = low
    signal.detail[1] = (low / before - 1.0) * 100.0
    signal.detail[2] = (tick.close / low - 1.0) * 100.0
    return FIRE


def _sentence(alert: Alert) -> str:
    fall = float(alert.details["fall_pct"] or 0.0)
    recovery = float(alert.details["recovery_pct"] or 0.0)
    return (
        f"fell from {price_text(alert.price_before)} to {price_text(float(alert.details['low'] or 0.0))}"
        f" ({fall:+.2f} %) and recovered"
        f" ({recovery:+.2f} %) within minutes, where a fall of {alert.threshold:.2f} % made good is the limit"
    )


DETECTOR = Detector(
    name="flash_crash",
    version=3,
    params=FlashCrash,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="fall_pct",
    details=("low", "fall_pct", "recovery_pct"),
    sentence=_sentence,
    features=frozenset({"recent", "scale", "volume"}),
    chunks=True,
    knobs={"scales": 1.0, "min_scales": 1.0},
)
