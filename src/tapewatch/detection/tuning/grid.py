"""Rule sets of the same detectors at other thresholds: one kernel serves all of them."""

from collections.abc import Mapping

import msgspec

from tapewatch.detection.rules import CompiledRule, Rule, RuleSet, compile_rules

FACTORS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.5)
"""What thresholds are multiplied by: below 1 more is told, above it less."""
BASE = FACTORS.index(1.0)


def is_tunable(rule: CompiledRule) -> bool:
    """Has it a threshold that can be scaled? Percents that people chose are policy and stay."""
    return any(getattr(rule.params, name) > 0.0 for name in rule.detector.knobs)


def scaled(rule: CompiledRule, factor: float) -> Rule:
    """The rule with its thresholds at `factor` times what they are, to four digits."""
    if factor == 1.0:
        return rule.rule
    values = {name: getattr(rule.params, name) * factor**power for name, power in rule.detector.knobs.items()}
    params = rule.rule.params | {name: float(f"{v:.4g}") for name, v in values.items() if v > 0.0}
    return msgspec.structs.replace(rule.rule, params=params)


def variant(rules: RuleSet, factor: float) -> RuleSet:
    """Every tunable rule at this factor."""
    return compile_rules(rules.name, tuple(scaled(r, factor) for r in rules.rules), rules.judge_late)


def chosen_variant(rules: RuleSet, at: Mapping[str, int]) -> RuleSet:
    """The rules named in `at` at those factors (positions in `FACTORS`), the others as they are."""
    made = tuple(scaled(r, FACTORS[at.get(r.name, BASE)]) for r in rules.rules)
    return compile_rules(rules.name, made, rules.judge_late)
