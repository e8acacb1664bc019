"""Runs a rule set over a feed and counts what came of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tapewatch.alerts.incidents import fold
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.engine import Engine
from tapewatch.detection.rules import RuleSet
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.ticks import TickBatch

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """The revisions of a run, and its incidents that were not withdrawn."""

    revisions: list[Alert]
    incidents: list[Incident]

    def price(self) -> list[Incident]:
        """Incidents of price and volume."""
        return [i for i in self.incidents if i.category != "data_quality"]

    def data_quality(self) -> list[Incident]:
        return [i for i in self.incidents if i.category == "data_quality"]


def run(batches: Iterable[TickBatch], rules: RuleSet, calibration: Calibration) -> Found:
    """Every revision of a tape, from a fresh engine."""
    engine = Engine(rules, calibration)
    revisions: list[Alert] = []
    for batch in batches:
        revisions += engine.process(batch).alerts()
    newest: dict[str, dict[str, Alert]] = {}
    for alert in revisions:
        newest.setdefault(alert.incident_id, {})[alert.alert_id] = alert
    folded = [fold(list(alerts.values())) for alerts in newest.values()]
    return Found(revisions, [i for i in folded if i.state != "retracted"])


def day_rate(counts: Sequence[int], draws: int = 2000) -> tuple[float, Interval]:
    """(mean a day, its 95 % interval by a bootstrap over days). `counts` has one entry a symbol and day."""
    values = np.asarray(counts, dtype=float)
    if not values.size:
        return float("nan"), (float("nan"), float("nan"))
    picks = np.random.default_rng(1).integers(values.size, size=(draws, values.size))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), (float(low), float(high))
