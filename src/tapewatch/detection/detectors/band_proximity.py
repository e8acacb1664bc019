"""band_proximity: the price comes near the band at which an exchange would pause it."""

import numpy as np

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.layout import RECENT
from tapewatch.detection.sessions import day_from_ns, day_until_ns
from tapewatch.detection.stats.scale import FIXED
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.prices import price_text
from tapewatch.model.times import MINUTE_NS


class BandProximity(Params, frozen=True, forbid_unknown_fields=True):
    """The close against the mean of the closes of the last five minutes, as a share of the band around it: `band_pct`,
    doubled in the first 15 and the last 25 minutes of the session. It fires from `share` of the band on; at it, it is
    high.
    Source: Limit Up-Limit Down plan (SEC 2012): 5 % for tier 1 above 3 dollars, 10 % for tier 2, 20 % from 0.75 to 3
    dollars: a rule for each tier, by its symbols. Cost: at most 16 additions a bar. It is proximity and no pause: it
    cannot see quotes, the official reference price, nor the tier of a symbol.
    """

    band_pct: float = 5.0
    share: float = 0.9


STATE = np.dtype([("provisional", "i8")])
RECORD = np.dtype([("band", "f8"), ("share", "f8")])


def _pack(p: BandProximity) -> dict[str, float | int]:
    return {"band": p.band_pct, "share": p.share}


REGULAR = 2
REFERENCE_NS = 5 * MINUTE_NS
OPEN_NS, CLOSE_NS = 15 * MINUTE_NS, 25 * MINUTE_NS


@compiled
def reference(head: Row, act_ns: int) -> float:
    """Mean of the shared window's closes of the five minutes before `act_ns`; 0 where there is none."""
    total = 0.0
    n = 0
    for j in range(max(0, head.recent_n - RECENT), head.recent_n):
        if head.recent_ns[j % RECENT] >= act_ns - REFERENCE_NS:
            total += head.recent_close[j % RECENT]
            n += 1
    return float(total / n) if n > 0 else 0.0


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.fresh or tick.phase != REGULAR:
        return NONE
    mean = reference(head, tick.act_ns)
    if mean == 0.0:
        return NONE
    band = params.band
    if tick.event_ns < day_from_ns(head) + OPEN_NS or tick.act_ns > day_until_ns(head) - CLOSE_NS:
        band *= 2.0
    change = 100.0 * (tick.close / mean - 1.0)
    size = abs(change)
    if size < params.share * band:
        return NONE
    signal.direction = 1 if change > 0.0 else -1
    signal.score = percent_score(size, params.share * band, band, 2.0 * band)
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = change
    signal.threshold = params.share * band
    signal.before = mean
    signal.source = FIXED
    signal.detail[0] = band
    signal.detail[1] = size / band
    return FIRE


def _sentence(alert: Alert) -> str:
    band = float(alert.details["band_pct"] or 0.0)
    return (
        f"is {alert.value:+.2f} % from its five-minute mean of {price_text(alert.price_before)}, at"
        f" {price_text(alert.price)}, near the band of {band:g} % at which trading would pause"
    )


DETECTOR = Detector(
    name="band_proximity",
    version=1,
    params=BandProximity,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="from_reference_pct",
    details=("band_pct", "share_of_band"),
    sentence=_sentence,
    features=frozenset({"recent"}),
    defaults={"phases": "regular"},
    chunks=True,
)
