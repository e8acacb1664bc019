"""bad_print: prints that cannot be, and jumps that revert at once; quarantined, never dropped."""

import numpy as np

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.prices import price_text

VERDICTS = ("", "not_positive", "crossed", "off_scale", "reverted", "future")


class BadPrint(Params, frozen=True, forbid_unknown_fields=True):
    """Judges what the quarantine held: a price <= 0, a crossed bar, a price off by `off_scale` times or more, or, where
    volume cannot confirm (pre- and post-market, or unknown), a jump of `jump_pct` that reverted by 80 % within 3 bars
    or 3 minutes.

    An off-scale price that three ticks in a row confirm is a real collapse: the price rules then judge it, dated to its
    first tick. Source: trade-through and clearly-erroneous rules (e.g. Nasdaq 11890), filters of Brownlees and Gallo
    (2006). Cost: a comparison a tick. It cannot see a wrong price within the usual range.
    """

    jump_pct: float = 0.7  # well below what the price rules take for material: the way back must not pass for a move
    off_scale: float = 5.0


STATE = np.dtype([("seen", "i8")])
RECORD = np.dtype([("jump", "f8"), ("off_scale", "f8")])


def _pack(p: BadPrint) -> dict[str, float | int]:
    return {"jump": p.jump_pct / 100.0, "off_scale": p.off_scale}


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.verdict == 0:
        return NONE
    state.seen += 1
    signal.direction = 0
    signal.score = OPENS_AT
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.before = head.close
    signal.value = (tick.close / head.close - 1.0) * 100.0 if head.close > 0.0 else 0.0
    signal.threshold = params.jump * 100.0
    signal.source = FIXED
    signal.detail[0] = tick.verdict
    signal.detail[1] = state.seen
    return FIRE


def _sentence(alert: Alert) -> str:
    why = {
        "not_positive": "a price that is not positive",
        "crossed": "a bar whose high and low contradict its prices",
        "off_scale": "a price off by a factor that looks like a wrong unit or decimal",
        "reverted": "a jump that reverted at once",
        "future": "a time ahead of the clock",
    }[str(alert.details["verdict"])]
    after = f" after {price_text(alert.price_before)}" if alert.price_before > 0.0 else ""  # its first record has none
    return f"printed {price_text(alert.price)}{after}: {why}; held out of every baseline"


DETECTOR = Detector(
    name="bad_print",
    version=1,
    params=BadPrint,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="jump_pct",
    details=("verdict", "bad_prints_so_far"),
    sentence=_sentence,
    category="data_quality",
    alert_type="bad_print",
    features=frozenset({"quarantine", "scale"}),
    verdicts=True,
)
