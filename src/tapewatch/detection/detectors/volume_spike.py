"""volume_spike: far more volume than this time of day expects, together with a price that moves."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.stats.scale import NORMAL
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.times import DAY_NS, MINUTE_NS


class VolumeSpike(Params, frozen=True, forbid_unknown_fields=True):
    """Volume against an exponentially weighted, seasonally adjusted, clipped mean of the past, on a log scale.

    Fires where volume is at least `ratio` times normal, `min_z` robust deviations above it in logarithms, and the price
    moves by at least `price_z` of its own scales in the same bar: a volume is never an alert alone. Regular and
    continuous phases only, and only where volume is known. Source: log-volume is close to normal (Ajinkya and Jain
    1989). Cost: one logarithm. It cannot tell who traded with whom.
    """

    ratio: float = 4.0
    min_z: float = 3.8
    min_z_24h: float = 4.6  # where nothing closes: 1,440 bars a day need more than 390 for as few alerts
    price_z: float = 2.0
    turn_ratio: float = 4.0  # normal volume counts so many times in the first and last minutes of a session (UTC day)
    min_pct: float = 0.38  # of price, in the same bar


STATE = np.dtype([("unused", "i8")])
RECORD = np.dtype(
    [("ratio", "f8"), ("min_z", "f8"), ("min_z_24h", "f8"), ("price_z", "f8"), ("turn_ratio", "f8"), ("min_pct", "f8")]
)
ENOUGH = 60
CONTINUOUS = 4
TURN_NS = 5 * MINUTE_NS


def _pack(p: VolumeSpike) -> dict[str, float | int]:
    return {
        "ratio": p.ratio,
        "min_z": p.min_z,
        "min_z_24h": p.min_z_24h,
        "price_z": p.price_z,
        "turn_ratio": p.turn_ratio,
        "min_pct": p.min_pct,
    }


@compiled
def at_turn(head: Row, tick: Row) -> bool:
    """The first quarter of an hour or the last five minutes of a session, where expiries, index changes and the night's
    news multiply volume any day; where nothing closes, the first five minutes of the UTC day (perpetuals looked at
    trade 1.6 to 2.1 times their median then, and less than it in the minutes before)."""
    if tick.phase == CONTINUOUS:
        return bool(tick.event_ns % DAY_NS < TURN_NS)
    return bool(tick.event_ns < head.phase_from_ns + 3 * TURN_NS or tick.event_ns >= head.phase_until_ns - TURN_NS)


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if not tick.known or tick.fresh or tick.interval_ns == 0 or head.volume_n < ENOUGH:
        return NONE
    if not tick.normal_volume > 0.0 or not math.isfinite(tick.sigma):
        return NONE
    ratio = tick.volume / tick.normal_volume
    if ratio >= 0.5 * params.ratio and at_turn(head, tick):
        ratio /= params.turn_ratio
    if ratio < 0.5 * params.ratio:
        return NONE
    direction = 1 if tick.ret >= 0.0 else -1
    signal.direction = direction
    z = math.log(ratio) / max(NORMAL * tick.volume_dev, 0.1)
    change = (tick.close / head.close - 1.0) * 100.0
    moved = abs(tick.ret) >= params.price_z * tick.sigma and abs(change) >= params.min_pct
    min_z = params.min_z_24h if tick.phase == CONTINUOUS else params.min_z
    if ratio < params.ratio or z < min_z or not moved:
        return HALF if moved else NONE
    signal.score = min(89.0, OPENS_AT + 7.0 * (z - min_z))
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = ratio
    signal.threshold = params.ratio
    signal.before = head.close
    signal.source = tick.source
    signal.detail[0] = z
    signal.detail[1] = tick.normal_volume
    signal.detail[2] = tick.ret / tick.sigma
    return FIRE


def _sentence(alert: Alert) -> str:
    normal = float(alert.details["normal_volume"] or 0.0)
    return (
        f"traded {alert.value:.1f} times its normal volume ({alert.value * normal:,.0f} against {normal:,.0f})"
        f" while the price moved {alert.change_pct:+.2f} %"
    )


DETECTOR = Detector(
    name="volume_spike",
    version=2,
    params=VolumeSpike,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="volume_ratio",
    details=("log_volume_z", "normal_volume", "price_z"),
    sentence=_sentence,
    category="volume",
    features=frozenset({"scale", "volume"}),
    chunks=True,
    defaults={"phases": "regular,continuous"},
    knobs={"min_z": 1.0, "min_z_24h": 1.0},
)
