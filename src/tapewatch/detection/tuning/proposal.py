"""From chosen factors to a rules file: one rule where groups agree, several with `groups` where they do not."""

import fnmatch
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from tapewatch.detection.rules import CompiledRule, Rule
from tapewatch.detection.tuning.grid import FACTORS, scaled


def proposed_rules(
    rules: Sequence[CompiledRule], chosen: Mapping[str, Mapping[str, int]], groups: Sequence[str]
) -> tuple[Rule, ...]:
    """The rules with the factors of `chosen[group][rule]`. `groups` are all of the calibration: those that the history
    did not hold keep the thresholds that they had. A rule keeps its name where its thresholds stay, else the factor is
    added to it: `robust_return_x1.3`."""
    return tuple(made for rule in rules for made in _split(rule, chosen, groups))


def _split(rule: CompiledRule, chosen: Mapping[str, Mapping[str, int]], groups: Sequence[str]) -> Iterator[Rule]:
    watched = [g for g in groups if not rule.rule.groups or any(fnmatch.fnmatchcase(g, p) for p in rule.rule.groups)]
    by_factor: dict[float, list[str]] = defaultdict(list)
    for group in watched:
        at = chosen.get(group, {}).get(rule.name)
        by_factor[1.0 if at is None else FACTORS[at]].append(group)
    if set(by_factor) <= {1.0}:
        yield rule.rule
        return
    for factor, members in by_factor.items():
        name = rule.name if factor == 1.0 else f"{rule.name[:58]}_x{factor:g}"  # a name has 64 characters at most
        yield msgspec.structs.replace(scaled(rule, factor), name=name, groups=tuple(members))
