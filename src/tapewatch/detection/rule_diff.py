"""What differs between two rule sets, rule by rule, and whether a symbol's state survives the change. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tapewatch.detection.rules import CompiledRule, Rule, phases_of


class FieldChange(msgspec.Struct, frozen=True):
    """One value of a rule, in both sets. `field` is a key of the rules file, `params.X` for one of the detector's."""

    field: str
    old: Any  # whatever a rules file may hold
    new: Any

    def __str__(self) -> str:
        return f"{self.field} {_text(self.old)} -> {_text(self.new)}"


class RuleChange(msgspec.Struct, frozen=True):
    """A rule that both sets have and that is not the same in both. `keeps_state`: its version is unchanged, so that
    only where it looks, or what it is called by, differs; else it starts cold and its open alerts resolve."""

    name: str
    old_version: str
    new_version: str
    fields: tuple[FieldChange, ...]

    @property
    def keeps_state(self) -> bool:
        return self.old_version == self.new_version


class RulesDiff(msgspec.Struct, frozen=True):
    """Rules (name, version) only in the second set, only in the first, and changed; each by name."""

    added: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    changed: tuple[RuleChange, ...]

    @property
    def empty(self) -> bool:
        return self == RulesDiff((), (), ())


def diff_rules(old: Sequence[CompiledRule], new: Sequence[CompiledRule]) -> RulesDiff:
    """Compare rules by name. A rule under a new name is a removed and an added one: its alerts have other ids."""
    before, after = {r.name: r for r in old}, {r.name: r for r in new}
    changed = (_change(before[name], after[name]) for name in sorted(before.keys() & after.keys()))
    return RulesDiff(
        tuple((name, after[name].version) for name in sorted(after.keys() - before.keys())),
        tuple((name, before[name].version) for name in sorted(before.keys() - after.keys())),
        tuple(c for c in changed if c.fields),
    )


def _change(old: CompiledRule, new: CompiledRule) -> RuleChange:
    a, b = _values(old), _values(new)
    names = [*a, *(name for name in b if name not in a)]
    fields = tuple(FieldChange(n, a.get(n), b.get(n)) for n in names if a.get(n) != b.get(n))
    return RuleChange(old.name, old.version, new.version, fields)


def _values(rule: CompiledRule) -> dict[str, Any]:
    """Every value that a rules file could give, defaults filled in."""
    values: dict[str, Any] = {"detector": rule.detector.name, "detector_version": rule.detector.version}
    values |= {f"params.{k}": v for k, v in msgspec.to_builtins(rule.params).items()}
    for field in msgspec.structs.fields(Rule):
        if field.name not in ("name", "detector", "params"):
            value = getattr(rule.rule, field.name)
            values[field.name] = list(value) if isinstance(value, tuple) else value
    values["phases"] = sorted(phases_of(rule.rule, rule.detector))
    return values


def _text(value: object) -> str:
    return "-" if value is None else msgspec.json.encode(value).decode()
