"""Tuning as a whole: calibrate, try thresholds, choose within a budget, and check on days that were not looked at."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tapewatch.alerts.labels import DATA_QUALITY_KINDS, Label
from tapewatch.alerts.scorecard import Matching, score
from tapewatch.detection.backtest.exposure import Exposure, day_text, local_day
from tapewatch.detection.backtest.result import ShareOf
from tapewatch.detection.backtest.run import Trial, found_in, run_trials
from tapewatch.detection.backtest.summary import labels_within, matching_of, rate_of, share_of
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.engine import Engine
from tapewatch.detection.rules import RuleSet, compile_rules
from tapewatch.detection.tuning import calibrate
from tapewatch.detection.tuning.bars import unlabelled
from tapewatch.detection.tuning.choose import Cell, Choice, cell_of, choose, incidents_of
from tapewatch.detection.tuning.grid import BASE, FACTORS, chosen_variant, is_tunable, scaled, variant
from tapewatch.detection.tuning.proposal import proposed_rules
from tapewatch.detection.tuning.result import GroupTuning, Outcome, Point, RuleTuning, Tuning
from tapewatch.model.alerts import Alert
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import DAY_NS

FOREVER = 2**40  # days
Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for. `labels` are worth finding, `noise` (alerts that people closed as such) is not. `holdout` is
    the share of days, at the end, that neither calibration nor choice may see. `budget`: price incidents a symbol and
    day."""

    rules: RuleSet
    calibration: Calibration
    name: str
    budget: float
    labels: Sequence[Label] = ()
    noise: Sequence[Label] = ()
    holdout: float = 0.3


@dataclass(frozen=True, slots=True)
class Tuned:
    """The proposed rules and calibration, with the report on both."""

    rules: RuleSet
    calibration: Calibration
    tuning: Tuning


def tune(task: Task, history: Sequence[TickBatch], advance: Advance = lambda _: None) -> Tuned:
    """Propose thresholds and calibration. `advance` hears of records times engines (`work`). Pure; the same history
    gives the same proposal. Cost: 5 us a bar for the calibration, and `work` times a backtest's."""
    split = split_day(history, task.holdout)
    seen = history if split is None else [_before(batch, split * DAY_NS) for batch in history]
    calibration = calibrate(unlabelled(seen, task.labels), task.calibration, task.name)
    trials, exposure = run_trials(
        seen, [Engine(variant(task.rules, f), calibration) for f in FACTORS], lambda n: advance(n * len(FACTORS))
    )
    labels = [label for label in task.labels if split is None or label.onset_ns < split * DAY_NS]
    groups = [_Group(g, task, calibration, exposure, labels) for g in _groups(calibration, exposure)]
    for group in groups:
        group.measure(trials)
    chosen = {group.name: group.choice.at for group in groups}
    rules = compile_rules(
        task.name, proposed_rules(task.rules.rules, chosen, list(calibration.groups)), task.rules.judge_late
    )
    (before,), whole = run_trials(history, [Engine(task.rules, task.calibration)], advance)
    after = _told_after(task.rules, calibration, chosen, history, whole, advance)
    tuning = Tuning(
        name=task.name,
        fingerprint=rules.fingerprint(calibration.digest()),
        calibration=calibration.digest(),
        budget=task.budget,
        first_unseen_day=None if split is None else day_text(split),
        groups=[group.told() for group in groups],
        rules=[row for group in groups for row in group.rows()],
        before=_outcome(task.rules.name, before.revisions, whole, task.labels, split),
        after=_outcome(task.name, after, whole, task.labels, split),
    )
    return Tuned(rules, calibration, tuning)


def _told_after(
    rules: RuleSet,
    calibration: Calibration,
    chosen: Mapping[str, Mapping[str, int]],
    history: Sequence[TickBatch],
    whole: Exposure,
    advance: Advance,
) -> list[Alert]:
    """What the proposed rules tell, group by group: each symbol is judged by the rules of its group, which are the old
    ones at other thresholds. So the kernel that is there already serves; that of the proposal, with a rule for each
    group, would be compiled (a minute of a core) to run once."""
    found: list[Alert] = []
    for group in _groups(calibration, whole):
        engine = Engine(chosen_variant(rules, chosen.get(group, {})), calibration)
        (trial,), _ = run_trials((_only(batch, group, calibration) for batch in history), [engine], advance)
        found += trial.revisions
    return found


def _only(batch: TickBatch, group: str, calibration: Calibration) -> TickBatch:
    """The records of a group's symbols, and the heartbeats."""
    ids = [at for at, symbol in enumerate(batch.symbols) if calibration.group_name(symbol) == group]
    return batch.take(np.isin(batch.symbol_id, ids) | (batch.kind == Kind.HEARTBEAT))


def work(history: Sequence[TickBatch], holdout: float) -> float:
    """Records times engines that `tune` leads through (heartbeats once; each group sees them): for a progress bar."""
    split = split_day(history, holdout)
    end_ns = 2**63 - 1 if split is None else split * DAY_NS
    return sum(len(b) * 2 + int((b.ts_event_ns < end_ns).sum()) * len(FACTORS) for b in history)


def split_day(history: Sequence[TickBatch], holdout: float) -> int | None:
    """The first day (UTC, from the epoch) that is held out; None where nothing is, or where there are under 3 days."""
    days = {int(d) for b in history for d in np.unique(b.ts_event_ns[b.kind != Kind.HEARTBEAT] // DAY_NS)}
    held = round(len(days) * holdout)
    return sorted(days)[-held] if held and len(days) > 2 else None


def _before(batch: TickBatch, end_ns: int) -> TickBatch:
    return batch.take(batch.ts_event_ns < end_ns)


def _groups(calibration: Calibration, exposure: Exposure) -> list[str]:
    return sorted({calibration.group_name(symbol) for symbol, _ in exposure.ticks})


class _Group:
    """One group of symbols: its cells, and what was chosen from them."""

    def __init__(
        self, name: str, task: Task, calibration: Calibration, exposure: Exposure, labels: Sequence[Label]
    ) -> None:
        self.name, self._task, self._calibration = name, task, calibration
        self._matching: Matching = matching_of(exposure)
        self._days = sum(n for symbol, n in exposure.of_symbol().items() if calibration.group_name(symbol) == name)
        self._labels = [label for label in labels if self._has(label) and _wanted(label)]
        self._noise = [label for label in task.noise if self._has(label)]
        self._cells: dict[str, list[Cell]] = {}
        self.choice = Choice({}, 0, 0, True)

    def _has(self, of: Label | Alert) -> bool:
        return self._calibration.group_name(Instrument(of.venue, of.symbol)) == self.name

    def measure(self, trials: Sequence[Trial]) -> None:
        """Fill the cells of every tunable rule of prices and volumes, and choose."""
        price = [r for r in self._task.rules.rules if r.detector.category != "data_quality"]
        told = [_by_rule(a for a in trial.revisions if self._has(a)) for trial in trials]
        tunable = [r.name for r in price if is_tunable(r)]
        self._cells = {rule: [self._cell(by_rule[rule]) for by_rule in told] for rule in tunable}
        fixed = self._cell([a for r in price if r.name not in tunable for a in told[BASE][r.name]])
        self.choice = choose(self._cells, fixed, self._most(), bool(self._labels))

    def _cell(self, revisions: Sequence[Alert]) -> Cell:
        return cell_of(revisions, self._labels, self._noise, self._matching)

    def _most(self) -> float:
        return self._task.budget * self._days

    def told(self) -> GroupTuning:
        return GroupTuning(
            group=self.name,
            symbol_days=self._days,
            most=self._most(),
            incidents=self.choice.incidents,
            labels=len(self._labels),
            found=self.choice.found,
            within_budget=self.choice.within_budget,
        )

    def rows(self) -> list[RuleTuning]:
        return [self._row(rule, cells) for rule, cells in self._cells.items()]

    def _row(self, name: str, cells: Sequence[Cell]) -> RuleTuning:
        rule = next(r for r in self._task.rules.rules if r.name == name)
        factor = FACTORS[self.choice.at[name]]
        new = scaled(rule, factor).params
        old = {k: float(getattr(rule.params, k)) for k in rule.detector.knobs}
        curve = [
            Point(
                factor=f,
                incidents=(n := incidents_of(cell.onsets)),
                per_symbol_day=n / max(self._days, 1),
                found=len(cell.found),
                noise=cell.noise,
            )
            for f, cell in zip(FACTORS, cells, strict=True)
        ]
        thresholds = {k: (v, float(new.get(k, v))) for k, v in old.items() if v > 0.0}
        return RuleTuning(rule=name, group=self.name, factor=factor, thresholds=thresholds, curve=curve)


def _wanted(label: Label) -> bool:
    """Is it for rules of price and volume to find? Traps are not to be found, data errors by others."""
    return not label.is_trap and label.kind not in DATA_QUALITY_KINDS


def _by_rule(revisions: Iterable[Alert]) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = defaultdict(list)
    for alert in revisions:
        found[alert.rule].append(alert)
    return found


def _outcome(
    name: str, revisions: Sequence[Alert], exposure: Exposure, labels: Sequence[Label], split: int | None
) -> Outcome:
    price = found_in(revisions).price()
    end = FOREVER if split is None else split
    early = [i for i in price if local_day(i.venue, i.onset_ns) < end]
    late = [i for i in price if local_day(i.venue, i.onset_ns) >= end]
    matching = matching_of(exposure)
    wanted = [label for label in labels_within(labels, exposure) if _wanted(label)]

    def recall(part: list[Label]) -> ShareOf | None:
        return share_of(score(part, revisions, matching).recall) if part else None

    return Outcome(
        name=name,
        seen=rate_of(early, exposure.between(-FOREVER, end)),
        unseen=None if split is None else rate_of(late, exposure.between(end, FOREVER)),
        seen_recall=recall([x for x in wanted if x.onset_ns < end * DAY_NS]),
        unseen_recall=recall([x for x in wanted if x.onset_ns >= end * DAY_NS]),
    )
