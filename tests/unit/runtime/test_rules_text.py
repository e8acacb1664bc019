"""A rules file that is written reads back as the same rules."""

from pathlib import Path

import pytest

from tapewatch.detection.rules import Rule
from tapewatch.runtime.config.rules import load_preset, load_rules_file
from tapewatch.runtime.config.rules_text import rules_toml


@pytest.mark.parametrize("name", ["default", "prototype"])
def test_presets_survive(tmp_path: Path, name: str) -> None:
    preset = load_preset(name)
    path = tmp_path / "r.toml"
    path.write_text(rules_toml(name, preset.declared, ["a comment"], preset.rules.judge_late), encoding="utf-8")
    assert load_rules_file(path).rules == preset.rules


def test_every_key_survives(tmp_path: Path) -> None:
    rule = Rule(
        name="a",
        detector="price_move",
        params={"pct": 1e-5, "relative": True},
        severity="high",
        symbols=('A"B', "C\\D"),
        exclude=("E",),
        groups=("crypto",),
        phases=("regular",),
        alert="each",
        keep_firing_bars=3,
        cooldown="1h",
        enabled=False,
        enabled_from="2025-01-01T00:00:00Z",
        owner="Büro",
        text="line\nbreak",
    )
    path = tmp_path / "r.toml"
    path.write_text(rules_toml("x", [rule]), encoding="utf-8")
    assert load_rules_file(path).declared == (rule,)
