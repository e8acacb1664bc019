"""volume_spike: far more volume than this time of day expects, together with a price that moves."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.features import VOLUME_CLIP
from tapewatch.detection.sessions import day_from_ns, day_until_ns
from tapewatch.detection.stats.scale import NORMAL
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.times import DAY_NS, MINUTE_NS


class VolumeSpike(Params, frozen=True, forbid_unknown_fields=True):
    """Volume against an exponentially weighted, seasonally adjusted, clipped mean of the past, on a log scale.

    Fires where volume is at least `ratio` times normal, `min_z` robust deviations above what is expected in logarithms,
    and the price moves by at least `price_z` of its own scales in the same bar: a volume is never an alert alone. What
    is expected grows with the move of the bar (`elasticity`) and with how busy the last quarter of an hour was
    (`carried`): large moves are traded, and bursts of volume last. Regular and continuous phases only, and only where
    volume is known.
    Source: log-volume is close to normal (Ajinkya and Jain 1989); volume grows with the size of price changes (Karpoff
    1987). Measured on the calibration's files, the powers are 0.55 to 1.0 and 0.8 to 1.1; a quarter of that is taken,
    so that volume out of all proportion is still told where the price went far. Cost: three logarithms above half of
    `ratio`. It cannot tell who traded with whom.
    """

    ratio: float = 4.0
    min_z: float = 3.2
    min_z_24h: float = 4.1  # where nothing closes: 1,440 bars a day need more than 390 for as few alerts
    price_z: float = 1.5
    turn_ratio: float = 4.0  # normal volume counts so many times in the first and last minutes of a session (UTC day)
    min_pct: float = 0.38  # of price, in the same bar
    elasticity: float = 0.2  # volume that a move of n scales expects: n to this power
    carried: float = 0.3  # and of a quarter of an hour n times as busy as usual: n to this power


STATE = np.dtype([("volume", "f8")])  # of the bars before, in times of the normal
RECORD = np.dtype(
    [
        ("ratio", "f8"),
        ("min_z", "f8"),
        ("min_z_24h", "f8"),
        ("price_z", "f8"),
        ("turn_ratio", "f8"),
        ("min_pct", "f8"),
        ("elasticity", "f8"),
        ("carried", "f8"),
    ]
)
NEWEST = 1.0 / 15.0  # weight of one bar in the volume before
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
        "elasticity": p.elasticity,
        "carried": p.carried,
    }


@compiled
def at_turn(head: Row, tick: Row) -> bool:
    """The first quarter of an hour or the last five minutes of a session, where expiries, index changes and the night's
    news multiply volume any day; where nothing closes, the first five minutes of the UTC day (perpetuals looked at
    trade 1.6 to 2.1 times their median then, and less than it in the minutes before)."""
    if tick.phase == CONTINUOUS:
        return bool(tick.event_ns % DAY_NS < TURN_NS)
    return bool(tick.event_ns < day_from_ns(head) + 3 * TURN_NS or tick.event_ns >= day_until_ns(head) - TURN_NS)


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if not tick.known or tick.fresh or tick.interval_ns == 0 or head.volume_n < ENOUGH:
        return NONE
    if not tick.normal_volume > 0.0 or not math.isfinite(tick.sigma):
        return NONE
    traded = tick.volume / tick.normal_volume
    before = max(state.volume, 1.0)
    state.volume += NEWEST * (min(traded, VOLUME_CLIP) - state.volume)
    if traded < 0.5 * params.ratio:
        return NONE
    times = params.turn_ratio if at_turn(head, tick) else 1.0
    ratio = traded / times
    if ratio < 0.5 * params.ratio:
        return NONE
    direction = 1 if tick.ret >= 0.0 else -1
    signal.direction = direction
    move = max(abs(tick.ret) / tick.sigma, 1.0)
    expected = params.carried * math.log(before) + params.elasticity * math.log(move)
    z = (math.log(ratio) - expected) / max(NORMAL * tick.volume_dev, 0.1)
    change = (tick.close / head.close - 1.0) * 100.0
    moved = abs(tick.ret) >= params.price_z * tick.sigma and abs(change) >= params.min_pct
    min_z = params.min_z_24h if tick.phase == CONTINUOUS else params.min_z
    if ratio < params.ratio or z < min_z or not moved:
        return HALF if moved else NONE
    signal.score = min(89.0, OPENS_AT + 7.0 * (z - min_z))
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = traded
    signal.threshold = params.ratio * times
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
    version=3,
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
    knobs={"min_z": 0.5, "min_z_24h": 0.5},  # of a logarithm: a whole power would reach from floods to silence
)
