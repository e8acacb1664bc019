"""A backtest from settings to result: the engine of the pipeline over a history, without a store or a channel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tapewatch import __version__
from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import score
from tapewatch.detection.backtest.moves import moved
from tapewatch.detection.backtest.result import BacktestResult
from tapewatch.detection.backtest.run import run_trials
from tapewatch.detection.backtest.summary import difference, labels_within, matching_of, summarise, unlabelled
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.engine import Engine
from tapewatch.detection.instruments import Facts
from tapewatch.feeds.labels import read_labels
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.times import SECOND_NS, format_rfc3339
from tapewatch.runtime.config.rules import LoadedRules, load_rules, load_rules_named
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import load_calibration
from tapewatch.runtime.history import History
from tapewatch.runtime.known_sessions import looked_at


@dataclass(frozen=True, slots=True)
class Side:
    """A rule set with the calibration that it runs with."""

    loaded: LoadedRules
    calibration: Calibration

    def engine(self) -> Engine:
        """A fresh engine, compiled."""
        engine = Engine(self.loaded.rules, self.calibration)
        engine.warm()
        return engine


def side_of(settings: RulesSettings, rules: str | None, calibration: Path | None) -> Side:
    """Rules and calibration by their names, of the settings where they have none."""
    loaded = load_rules(settings) if rules is None else load_rules_named(rules)
    return Side(loaded, load_calibration(calibration or settings.calibration, settings.instruments))


@dataclass(frozen=True, slots=True)
class Backtested:
    """The result, and for charts the alert revisions of each side in their order, and what is known of instruments."""

    result: BacktestResult
    revisions: list[list[Alert]]
    facts: Mapping[str, Facts]


def load_labels(path: Path) -> list[Label]:
    """The labels of a CSV file; InputError names the file."""
    try:
        with path.open("rb") as source:
            return read_labels(source)
    except OSError as error:
        raise InputError(f"labels {path}: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def run_backtest(
    history: History,
    sides: Sequence[tuple[Side, Engine]],
    labels: Sequence[Label] | None,
    now_ns: int,
    on_records: Callable[[float], None] = lambda _: None,
) -> Backtested:
    """Run one or two sides, each with its fresh engine, over the history, which is read once; with labels a second
    time, around what no label knows of."""
    trials, exposure = run_trials(looked_at(history.batches()), [engine for _, engine in sides], on_records)
    known = None if labels is None else labels_within(labels, exposure)
    cards = [None if known is None else score(known, t.revisions, matching_of(exposure)) for t in trials]
    unknown = [
        i for t, card in zip(trials, cards, strict=True) if card is not None for i in unlabelled(card, t.found())
    ]
    real = moved(history.batches(), unknown) if unknown else frozenset()
    results = [
        summarise(trial, side.loaded.source, side.calibration.name, exposure, card, real)
        for (side, _), trial, card in zip(sides, trials, cards, strict=True)
    ]
    second = results[1] if len(results) > 1 else None
    seen = bool(exposure.ticks)
    result = BacktestResult(
        tapewatch=__version__,
        generated=format_rfc3339(now_ns // SECOND_NS * SECOND_NS),
        history=history.names,
        records=sum(trials[0].fates.values()) + history.dead,
        unreadable=history.dead,
        symbols=len(exposure.of_symbol()),
        symbol_days=exposure.symbol_days(),
        first=format_rfc3339(exposure.first_ns) if seen else None,
        last=format_rfc3339(exposure.last_ns) if seen else None,
        tolerance_s=matching_of(exposure).tolerance_ns / SECOND_NS,
        labels=None if known is None else len(known),
        labels_outside=len(labels or ()) - len(known or ()),
        a=results[0],
        b=second,
        difference=None if second is None else difference(results[0].incidents, second.incidents),
    )
    return Backtested(result, [trial.revisions for trial in trials], sides[0][0].calibration.instruments)
