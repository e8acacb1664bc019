"""Tuning as a whole: within the budget, on days that it saw; nothing of those that it did not."""

import pytest

from tapewatch.alerts.labels import Label
from tapewatch.detection.backtest.run import run
from tapewatch.detection.rules import compile_rules
from tapewatch.detection.tuning import calibrate
from tapewatch.detection.tuning.bars import unlabelled
from tapewatch.detection.tuning.grid import FACTORS, is_tunable, scaled, variant
from tapewatch.detection.tuning.proposal import proposed_rules
from tapewatch.detection.tuning.tune import Task, Tuned, split_day, tune, work
from tapewatch.feeds.simulator import SimulatorConfig, labels, market
from tapewatch.model.ticks import TickBatch
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tapewatch.runtime.config.rules import load_preset
from tapewatch.runtime.embedded import load_calibration
from tests.unit.detection.support import BTC, COMPILED, REGULAR_NS, TSLA, bars, batch_of, calm, compiled_only

CONFIG = SimulatorConfig(seed=21, stocks=4 if COMPILED else 1, crypto=0, days=5 if COMPILED else 2)
RULES = load_preset("default").rules


@pytest.fixture(scope="module")
def history() -> list[TickBatch]:
    return [batch.ticks for batch in market(CONFIG).batches(0)]


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(RULES, load_calibration(None), "mine", 0.5, labels(CONFIG), holdout=0.4)


@pytest.fixture(scope="module")
def tuned(task: Task, history: list[TickBatch]) -> Tuned:
    done: list[float] = []
    found = tune(task, history, done.append)
    assert sum(done) == work(history, task.holdout)
    return found


@compiled_only
def test_the_proposal_keeps_to_the_budget_on_the_days_that_it_saw(tuned: Tuned) -> None:
    (stocks,) = tuned.tuning.groups
    assert stocks.group == "stock" and stocks.symbol_days == 4 * 3
    assert stocks.within_budget and stocks.incidents <= stocks.most
    assert tuned.tuning.after.seen.incidents <= stocks.most
    assert stocks.found >= 1 and tuned.tuning.after.seen_recall is not None


@compiled_only
def test_the_days_that_were_held_out_are_told_apart(tuned: Tuned) -> None:
    assert tuned.tuning.first_unseen_day == "2025-03-06"
    assert tuned.tuning.after.unseen is not None and tuned.tuning.before.unseen is not None
    assert tuned.tuning.after.unseen_recall is not None


@compiled_only
def test_what_is_held_out_changes_nothing(task: Task, history: list[TickBatch], tuned: Tuned) -> None:
    split = split_day(history, task.holdout)
    assert split is not None
    end_ns = split * DAY_NS
    seen = [b.take(b.ts_event_ns < end_ns) for b in history]
    alone = tune(Task(task.rules, task.calibration, task.name, task.budget, task.labels, holdout=0.0), seen)
    assert alone.calibration == tuned.calibration
    assert [r.version for r in alone.rules.rules] == [r.version for r in tuned.rules.rules]


@compiled_only
def test_labelled_windows_are_no_part_of_the_calibration(task: Task, history: list[TickBatch], tuned: Tuned) -> None:
    split = split_day(history, task.holdout)
    assert split is not None
    seen = [b.take(b.ts_event_ns < split * DAY_NS) for b in history]
    assert tuned.calibration != calibrate(seen, task.calibration, task.name)
    assert tuned.calibration == calibrate(unlabelled(seen, task.labels), task.calibration, task.name)


def test_a_label_takes_its_symbols_records_out_until_what_follows_is_a_gap() -> None:
    ticks = [*bars(TSLA, calm(60)), *bars(BTC, calm(60))]
    crash = Label(
        event=0,
        kind="drop",
        is_trap=False,
        venue="XNAS",
        symbol="TSLA",
        onset_ns=REGULAR_NS + 10 * MINUTE_NS,
        end_ns=REGULAR_NS + 12 * MINUTE_NS,
        direction="drop",
        size=0.1,
        size_times=2.0,
    )
    (left,) = unlabelled([batch_of(ticks)], [crash])
    minutes = (left.ts_event_ns - REGULAR_NS) // MINUTE_NS
    assert minutes[left.symbol_id == 0].tolist() == [*range(9), *range(44, 60)]
    assert minutes[left.symbol_id == 1].tolist() == list(range(60))


def test_the_curve_of_every_tunable_rule_is_told(tuned: Tuned) -> None:
    assert {r.rule for r in tuned.tuning.rules} == {
        r.name for r in RULES.rules if is_tunable(r) and r.detector.category != "data_quality"
    }
    for row in tuned.tuning.rules:
        assert tuple(p.factor for p in row.curve) == FACTORS
        assert row.curve[0].incidents >= row.curve[-1].incidents
        assert row.factor in FACTORS and row.chosen().factor == row.factor


def test_what_the_proposal_tells_is_what_its_rules_tell_together() -> None:
    config = SimulatorConfig(seed=22, stocks=3, crypto=2, days=4)
    both = [batch.ticks for batch in market(config).batches(0)]
    rules = compile_rules("one", tuple(r.rule for r in RULES.rules if r.name == "swift_move_5m"))
    found = tune(Task(rules, load_calibration(None), "mine", 0.6, labels(config), holdout=0.0), both)
    assert len(found.rules.rules) == 2  # the groups took different thresholds
    told = run(both, found.rules, found.calibration)
    assert found.tuning.after.seen.incidents == len(told.price())
    assert found.tuning.after.seen_recall != found.tuning.before.seen_recall


def test_variants_share_the_kernel_and_keep_what_cannot_be_tuned() -> None:
    strict = variant(RULES, 2.0)
    assert [r.detector.name for r in strict.rules] == [r.detector.name for r in RULES.rules]
    same = {r.name for r in RULES.rules} - {a.name for a, b in zip(RULES.rules, strict.rules, strict=True) if a != b}
    assert same == {r.name for r in RULES.rules if not is_tunable(r)}


def test_rarity_is_scaled_by_the_third_power() -> None:
    (rule,) = (r for r in RULES.rules if r.name == "robust_return")
    assert scaled(rule, 2.0).params["rarity_days"] == pytest.approx(8 * rule.rule.params["rarity_days"])


def test_groups_that_were_not_measured_keep_their_rule() -> None:
    at = {r.name: 0 for r in RULES.rules if is_tunable(r)}
    made = proposed_rules(RULES.rules, {"stock": at}, ["stock", "crypto"])
    by_name = {r.name: r for r in made}
    assert by_name["robust_return"].groups == ("crypto",)
    (before,) = (r.rule for r in RULES.rules if r.name == "robust_return")
    assert by_name["robust_return"].params == before.params
    assert by_name["robust_return_x0.6"].groups == ("stock",)
    assert by_name["bad_print"].groups == ()
    assert len(compile_rules("x", made).rules) == len(made)
