"""Standardised residuals of a history, taken from the engine itself: the code that runs live, quarantine included."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewatch.alerts.codes import FIRE, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.detectors import bad_print
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.engine import Engine
from tapewatch.detection.rules import CompiledRule, Rule, RuleSet
from tapewatch.detection.stats.scale import NORMAL, OWN_PHASE
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import TickBatch

CHUNK = 4096


class Probe(Params, frozen=True, forbid_unknown_fields=True):
    """States every judged bar's standardised return and log volume; never part of a rule set that runs live."""


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:  # noqa: ARG001 (fixed form)
    if tick.fresh or tick.interval_ns == 0 or not math.isfinite(tick.sigma) or tick.source != OWN_PHASE:
        return NONE
    signal.direction = 0
    signal.score = 0.0
    signal.value = tick.ret / tick.sigma
    signal.before = head.close
    signal.detail[0] = math.nan
    if tick.known and tick.volume > 0.0 and tick.normal_volume > 0.0 and head.volume_n >= 60:
        signal.detail[0] = math.log(tick.volume / tick.normal_volume) / max(NORMAL * tick.volume_dev, 0.1)
    signal.detail[1] = tick.ret
    return FIRE


PROBE = Detector(
    name="probe",
    version=1,
    params=Probe,
    state=np.dtype([("unused", "i8")]),
    record=np.dtype([("unused", "i8")]),
    pack=lambda _: {"unused": 0},
    step=step,
    statistic="robust_z",
    details=("volume_z", "log_return"),
    sentence=lambda _: "",
    features=frozenset({"scale", "volume"}),
)


@dataclass(frozen=True, slots=True)
class Residuals:
    """Judged bars with a scale of their own, of one symbol and in time order."""

    instrument: Instrument
    phase: NDArray[np.int64]
    event_ns: NDArray[np.int64]
    z: NDArray[np.float64]
    volume_z: NDArray[np.float64]  # NaN where volume is unknown
    log_return: NDArray[np.float64]


def residuals(batches: Iterable[TickBatch], calibration: Calibration) -> list[Residuals]:
    """Run the history through the engine, with scales and profiles of `calibration`. Cost: about 1 us a bar."""
    rules = (
        CompiledRule(Rule(name="probe", detector="probe", alert="each"), PROBE, Probe(), "probe", 0),
        CompiledRule(Rule(name="screen", detector="bad_print"), bad_print.DETECTOR, bad_print.BadPrint(), "screen", 0),
    )
    engine = Engine(RuleSet("residuals", rules), calibration)
    found: dict[Instrument, list[NDArray[np.float64]]] = {}
    for batch in batches:
        for begin in range(0, len(batch), CHUNK):
            part = batch.take(slice(begin, begin + CHUNK))
            events = engine.process(part).events
            events = events[(events["rule"] == 0) & (events["fired"] == 1)]
            symbols = part.symbol_id[events["record"]]
            for at in np.unique(symbols):
                mine = events[symbols == at]
                detail = mine["detail"]
                columns = [mine["phase"], mine["event_ns"], mine["value"], detail[:, 0], detail[:, 1]]
                found.setdefault(batch.symbols[at], []).append(np.stack([np.asarray(c, np.float64) for c in columns]))
    return [_residuals(i, np.concatenate(parts, 1)) for i, parts in sorted(found.items())]


def _residuals(instrument: Instrument, c: NDArray[np.float64]) -> Residuals:
    return Residuals(instrument, c[0].astype(np.int64), c[1].astype(np.int64), c[2], c[3], c[4])
