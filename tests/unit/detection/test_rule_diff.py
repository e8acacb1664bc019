"""What differs between rule sets, and what of it costs the state."""

from typing import Any

from tapewatch.detection.rule_diff import diff_rules
from tapewatch.detection.rules import CompiledRule, Rule, compile_rules


def rules(**named: dict[str, Any]) -> tuple[CompiledRule, ...]:
    return compile_rules("x", tuple(Rule(name=n, **{"detector": "price_move", **f}) for n, f in named.items())).rules


def test_equal_rules_differ_in_nothing_whatever_their_order() -> None:
    assert diff_rules(rules(a={}, b={}), rules(b={}, a={})).empty


def test_a_default_that_is_written_out_is_no_difference() -> None:
    assert diff_rules(rules(a={}), rules(a={"params": {"pct": 3.0}, "cooldown": "30m"})).empty


def test_added_and_removed_rules_are_named_with_their_versions() -> None:
    old, new = rules(a={}), rules(b={"params": {"pct": 2.0}})
    found = diff_rules(old, new)
    assert found.added == (("b", new[0].version),)
    assert found.removed == (("a", old[0].version),)
    assert found.changed == ()


def test_a_changed_parameter_is_told_with_both_values_and_costs_the_state() -> None:
    (change,) = diff_rules(rules(a={}), rules(a={"params": {"pct": 2.0}})).changed
    assert [str(f) for f in change.fields] == ["params.pct 3.0 -> 2.0"]
    assert not change.keeps_state


def test_a_changed_scope_or_owner_keeps_the_state() -> None:
    (change,) = diff_rules(rules(a={}), rules(a={"symbols": ("TSLA",), "groups": ("stock",), "owner": "desk"})).changed
    assert {f.field for f in change.fields} == {"symbols", "groups", "owner"}
    assert change.keeps_state


def test_another_detector_under_the_same_name_shows_what_each_has() -> None:
    (change,) = diff_rules(rules(a={}), rules(a={"detector": "robust_return"})).changed
    told = {f.field: (f.old, f.new) for f in change.fields}
    assert told["detector"] == ("price_move", "robust_return")
    assert told["params.horizon"] == ("1m", None) and told["params.min_z"] == (None, 5.0)
    assert not change.keeps_state
