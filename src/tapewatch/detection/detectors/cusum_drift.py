"""cusum_drift: many small moves the same way: a ramp that no single bar gives away."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.stats.scale import OWN_PHASE
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.prices import price_text


class CusumDrift(Params, frozen=True, forbid_unknown_fields=True):
    """Two one-sided sums of standardised returns, each return clipped at `clip` scales and less a slack of `slack`; one
    fires at `limit`, where the price also came at least `pct` and `min_ticks` tick sizes from where the sum left zero,
    and then starts anew. Source: Page 1954, "Continuous inspection schemes"; Lorden 1971. Cost: four additions a bar.
    It cannot see a drift slower than `slack` scales a bar, and says nothing of a single jump.
    """

    limit: float = 14.0
    slack: float = 0.5
    clip: float = 3.0
    pct: float = 2.0
    high_pct: float = 5.0
    critical_pct: float = 10.0
    min_ticks: float = 5.0


STATE = np.dtype([("up", "f8"), ("down", "f8"), ("low", "f8"), ("high", "f8")])
RECORD = np.dtype(
    [
        ("limit", "f8"),
        ("slack", "f8"),
        ("most", "f8"),
        ("pct", "f8"),
        ("high", "f8"),
        ("critical", "f8"),
        ("min_ticks", "f8"),
    ]
)


def _pack(p: CusumDrift) -> dict[str, float | int]:
    return {
        "limit": p.limit,
        "slack": p.slack,
        "most": p.clip,
        "pct": p.pct,
        "high": p.high_pct,
        "critical": p.critical_pct,
        "min_ticks": p.min_ticks,
    }


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh or tick.interval_ns == 0 or tick.source != OWN_PHASE or not math.isfinite(tick.sigma):
        state.up = 0.0
        state.down = 0.0
        return NONE
    if state.up == 0.0:
        state.low = head.close
    if state.down == 0.0:
        state.high = head.close
    z = min(max(tick.ret / tick.sigma, -params.most), params.most)
    state.up = max(0.0, state.up + z - params.slack)
    state.down = max(0.0, state.down - z - params.slack)
    rises = state.up >= params.limit and tick.close > state.low
    falls = state.down >= params.limit and tick.close < state.high
    if not (rises or falls):
        return NONE
    before = state.low if rises else state.high
    size = 100.0 * abs(tick.close / before - 1.0)
    if size < params.pct or abs(tick.close - before) < params.min_ticks * tick.step:
        return NONE
    signal.direction = 1 if rises else -1
    signal.score = percent_score(size, params.pct, params.high, params.critical)
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = state.up if rises else -state.down
    signal.threshold = params.limit
    signal.before = before
    signal.source = tick.source
    signal.detail[0] = 100.0 * (tick.close / before - 1.0)
    signal.detail[1] = 100.0 * tick.sigma
    state.up = 0.0
    state.down = 0.0
    return FIRE


def _sentence(alert: Alert) -> str:
    return (
        f"drifted {alert.change_pct:+.2f} % in many small steps, from {price_text(alert.price_before)} to"
        f" {price_text(alert.price)}: they"
        f" sum to {abs(alert.value):.1f} scales beyond what chance adds up to, where {alert.threshold:g} is the limit"
    )


DETECTOR = Detector(
    name="cusum_drift",
    version=1,
    params=CusumDrift,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="cusum",
    details=("drift_pct", "expected_scale_pct"),
    sentence=_sentence,
    features=frozenset({"scale"}),
    chunks=True,
)
