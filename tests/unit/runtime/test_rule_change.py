from pathlib import Path
from typing import Any

import pytest

from tapewatch.model.alerts import Alert
from tapewatch.model.errors import GiveUpError
from tapewatch.runtime.config.rules import load_preset
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.pipeline import Sinks
from tapewatch.runtime.rule_change import MANIFEST
from tapewatch.stores.port import Commit
from tests.unit.runtime.pipeline_support import (
    SHARD,
    CrashError,
    Fuse,
    claimed,
    engine,
    fused,
    memory,
    preset_with,
    results,
    tape,
)


def run(sinks: Sinks, rules: RulesSettings | None = None, end: int | None = None) -> None:
    claimed(sinks, rules).run(tape().up_to(end or tape().end), 300)


@pytest.fixture(scope="module")
def untouched() -> dict[str, Any]:
    sinks = memory()
    run(sinks)
    return results(sinks)


@pytest.fixture(scope="module")
def middle(untouched: dict[str, Any]) -> int:
    """A position at which alerts of robust_return and of price_move_5m are open."""
    spans: dict[str, set[int]] = {"robust_return": set(), "price_move_5m": set()}
    opened: dict[str, Alert] = {}
    for _, alert in untouched["changes"]:
        if alert.rule in spans and alert.change == "fired":
            opened[alert.alert_id] = alert
        if alert.alert_id in opened and alert.change in ("resolved", "retracted"):
            spans[alert.rule] |= set(range(opened.pop(alert.alert_id).offset + 1, alert.offset))
    both = sorted(spans["robust_return"] & spans["price_move_5m"])
    assert both, "the tape has no such position"
    return both[len(both) // 2]


@pytest.fixture
def changed(tmp_path: Path) -> RulesSettings:
    """price_move_5m has another limit, robust_return another name; the others are as they were."""
    return preset_with(
        tmp_path,
        ('horizon = "5m"\npct = 3.0', 'horizon = "5m"\npct = 3.5'),
        ('name = "robust_return"', 'name = "robust_return_2"'),
    )


def of_rules(found: list[Any], *rules: str) -> list[Any]:
    return [item for item in found if item.rule in rules]


KEPT = ("price_move_1m", "volume_spike", "stale_feed", "bad_print")


def test_unchanged_rules_keep_their_state(untouched: dict[str, Any], middle: int, changed: RulesSettings) -> None:
    sinks = memory()
    run(sinks, end=middle)
    run(sinks, changed)
    found = results(sinks)
    assert found["next"] == untouched["next"] and found["fates"] == untouched["fates"]
    assert found["ticks"] == untouched["ticks"]
    assert of_rules(found["signals"], *KEPT) == of_rules(untouched["signals"], *KEPT)
    assert of_rules(found["alerts"], *KEPT) == of_rules(untouched["alerts"], *KEPT)


def test_open_alerts_of_changed_and_removed_rules_resolve_at_the_change(
    untouched: dict[str, Any], middle: int, changed: RulesSettings
) -> None:
    sinks = memory()
    run(sinks, end=middle)
    before = {a.alert_id: a for a in results(sinks)["alerts"]}
    gone = [
        a for a in of_rules([*before.values()], "robust_return", "price_move_5m") if a.state in ("firing", "recovering")
    ]
    assert {a.rule for a in gone} == {"robust_return", "price_move_5m"}
    claimed(sinks, changed)
    after = {a.alert_id: a for a in results(sinks)["alerts"]}
    for alert in gone:
        ended = after.pop(alert.alert_id)
        assert (ended.state, ended.change, ended.reason) == ("resolved", "resolved", "rule_changed")
        assert ended.revision == alert.revision + 1
        del before[alert.alert_id]
    assert after == before, "alerts of rules that stay, or that had ended, were touched"


def test_a_change_is_in_the_audit_once(middle: int, changed: RulesSettings) -> None:
    sinks = memory()
    run(sinks, end=middle)
    assert sinks.cases.audit(None, 0, 10) == []
    run(sinks, changed, middle + 100)
    run(sinks, changed, middle + 200)
    (entry,) = sinks.cases.audit(None, 0, 10)
    assert (entry.actor, entry.action) == ("configuration", "rules_changed")
    (version,) = {r.version for r in load_preset("default").rules.rules if r.name == "robust_return"}
    assert entry.detail == {
        "offset": middle,
        "added": f"robust_return_2 {version}",
        "removed": f"robust_return {version}",
        "changed": "price_move_5m: params.pct 3.0 -> 3.5",
    }


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_any_step_of_a_change_changes_nothing(after: bool, middle: int, changed: RulesSettings) -> None:
    whole = memory()
    run(whole, end=middle)
    run(whole, changed)
    expected, audit = results(whole), whole.cases.audit(None, 0, 10)
    for calls in range(1, 9):
        sinks = memory()
        run(sinks, end=middle)
        with pytest.raises(CrashError):
            claimed(fused(sinks, Fuse(calls, after)), changed).run(tape(), 300)
        run(sinks, changed)
        found = results(sinks)
        assert {n for n in found if found[n] != expected[n]} == set()
        assert sinks.cases.audit(None, 0, 10) == audit


def test_rules_that_share_nothing_start_cold_and_end_everything(untouched: dict[str, Any], middle: int) -> None:
    sinks, prototype = memory(), RulesSettings(preset="prototype")
    run(sinks, end=middle)
    run(sinks, prototype)
    found = results(sinks)
    assert found["next"] == tape().end and found["ticks"] == untouched["ticks"]
    assert not [a for a in found["alerts"] if a.rule not in ("zscore", "sma") and a.state in ("firing", "recovering")]
    assert (
        of_rules(found["signals"], "zscore") and min(s.offset for s in of_rules(found["signals"], "zscore")) >= middle
    )


def test_changing_back_goes_on_with_what_both_rule_sets_share(
    untouched: dict[str, Any], middle: int, changed: RulesSettings
) -> None:
    sinks = memory()
    run(sinks, end=middle)
    run(sinks, changed, middle + 300)
    run(sinks)
    found = results(sinks)
    assert of_rules(found["signals"], *KEPT) == of_rules(untouched["signals"], *KEPT)
    assert [e.action for e in sinks.cases.audit(None, 0, 10)] == ["rules_changed", "rules_changed"]


def test_rules_may_change_before_the_first_record(changed: RulesSettings) -> None:
    sinks, cold = memory(), memory()
    claimed(sinks)
    run(sinks, changed)
    run(cold, changed)
    assert results(sinks) == results(cold)


def test_rows_that_do_not_say_whose_they_are_are_refused_not_guessed(changed: RulesSettings) -> None:
    sinks = memory()
    run(sinks, end=500)
    head, rows = sinks.shards.claim(SHARD, "", "")
    bare = [row for row in rows if row.key != MANIFEST]
    commit = Commit(SHARD, head.incarnation, head.fingerprint, head.epoch, head.next, head.next, bare, (), {})
    sinks.shards.set_fingerprint(commit, head.fingerprint)
    with pytest.raises(GiveUpError, match="does not say which rules"):
        claimed(sinks, changed)
    assert engine(changed).fingerprint != head.fingerprint
