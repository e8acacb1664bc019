"""A rules file from rules: what `tapewatch tune` writes, and `load_rules_file` reads."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from tapewatch.detection.rules import Rule


def rules_toml(name: str, rules: Sequence[Rule], comments: Sequence[str] = (), judge_late: bool = False) -> str:
    """The text of a rules file: keys that differ from their defaults only, comments above."""
    lines = [*(f"# {line}" for line in comments), f"name = {_value(name)}"]
    if judge_late:
        lines.append("judge_late = true")
    for rule in rules:
        lines += ["", "[[rules]]"]
        for field in msgspec.structs.fields(Rule):
            value = getattr(rule, field.name)
            if field.name != "params" and value is not None and (field.required or value != field.default):
                lines.append(f"{field.name} = {_value(value)}")
        if rule.params:
            lines.append("[rules.params]")
            lines += [f"{key} = {_value(value)}" for key, value in rule.params.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:  # Any: whatever a rules file may hold
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)  # TOML, unlike JSON, has inf and nan
    if isinstance(value, bool | int):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)
