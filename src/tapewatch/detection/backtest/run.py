"""Runs rule sets over a history and keeps what they tell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tapewatch.alerts.incidents import fold
from tapewatch.detection.backtest.exposure import Exposure
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.engine import Engine
from tapewatch.detection.rules import RuleSet
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.ticks import Fate, TickBatch


@dataclass(frozen=True, slots=True)
class Found:
    """The revisions of a run, its incidents that were not withdrawn, and how many were."""

    revisions: list[Alert]
    incidents: list[Incident]
    retracted: int = 0

    def price(self) -> list[Incident]:
        """Incidents of price and volume."""
        return [i for i in self.incidents if i.category != "data_quality"]

    def data_quality(self) -> list[Incident]:
        return [i for i in self.incidents if i.category == "data_quality"]


@dataclass(slots=True)
class Trial:
    """One rule set on its way through a history: the engine, every revision so far, what became of the records."""

    engine: Engine
    revisions: list[Alert] = field(default_factory=list)
    fates: dict[Fate, int] = field(default_factory=dict)

    def found(self) -> Found:
        """What it has told so far. O(revisions)."""
        return found_in(self.revisions)


def found_in(revisions: Sequence[Alert]) -> Found:
    """The incidents of revisions (each alert's in their order)."""
    newest: dict[str, dict[str, Alert]] = {}
    for alert in revisions:
        newest.setdefault(alert.incident_id, {})[alert.alert_id] = alert
    folded = [fold(list(alerts.values())) for alerts in newest.values()]
    kept = [i for i in folded if i.state != "retracted"]
    return Found(list(revisions), kept, len(folded) - len(kept))


def run_trials(
    batches: Iterable[TickBatch], engines: Sequence[Engine], on_records: Callable[[float], None] = lambda _: None
) -> tuple[list[Trial], Exposure]:
    """Lead every batch through every engine, side by side: the history is read once. Cost: that of the engines, and
    about 10 ns a record for counting days; memory: the revisions."""
    trials, exposure = [Trial(engine) for engine in engines], Exposure()
    for batch in batches:
        for at, trial in enumerate(trials):
            outcome = trial.engine.process(batch)
            trial.revisions += outcome.alerts()
            for fate, n in outcome.fate_counts().items():
                trial.fates[fate] = trial.fates.get(fate, 0) + n
            if at == 0:
                exposure.add(batch, outcome.fates)
        on_records(len(batch))
    return trials, exposure


def run(batches: Iterable[TickBatch], rules: RuleSet, calibration: Calibration) -> Found:
    """Every revision of a history, from a fresh engine."""
    (trial,), _ = run_trials(batches, [Engine(rules, calibration)])
    return trial.found()
