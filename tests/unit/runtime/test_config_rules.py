from pathlib import Path

import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.times import parse_rfc3339
from tapewatch.runtime.config.rules import load_preset, load_rules, load_rules_file, preset_names
from tapewatch.runtime.config.settings import RulesSettings

MOVE = '[[rules]]\nname = "{name}"\ndetector = "price_move"\n'


def refusal(folder: Path, text: str) -> list[str]:
    path = folder / "r.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_rules_file(path)
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("name", ["default", "prototype"])
def test_every_preset_is_a_valid_rules_file(name: str) -> None:
    assert name in preset_names()
    loaded = load_preset(name)
    assert loaded.rules.name == name
    assert loaded.rules.rules
    assert load_rules(RulesSettings(preset=name)).rules == loaded.rules


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean prototype"):
        load_preset("prototyp")


def test_a_file_wins_over_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "mine"\n' + MOVE.format(name="a"))
    assert load_rules(RulesSettings(preset="default", file=path)).rules.name == "mine"


def test_a_disabled_rule_is_declared_but_not_in_force(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(MOVE.format(name="a") + "enabled = false\n" + MOVE.format(name="b"))
    loaded = load_rules_file(path)
    assert [rule.name for rule in loaded.declared] == ["a", "b"]
    assert [rule.name for rule in loaded.rules.rules] == ["b"]


def test_unknown_detectors_and_parameters_are_named_with_line_and_nearest(tmp_path: Path) -> None:
    text = (
        '[[rules]]\nname = "a"\ndetector = "price_moev"\n'
        + MOVE.format(name="b")
        + 'params = { pxt = 2, pct = "3" }\n'
        + MOVE.format(name="c")
        + '[rules.params]\nhorizon = "1x"\n'
        + MOVE.format(name="b")
        + "[rules.params]\npct = 30\n"
    )
    said = refusal(tmp_path, text)
    assert said[0] == "r.toml:3: rule 'a': unknown detector 'price_moev'; did you mean price_move?"
    assert said[1] == "r.toml:7: unknown key rules[1].params.pxt; did you mean pct?"
    assert said[2] == 'r.toml:7: rules[1].params.pct must be a number, got "3"'
    assert said[3].startswith("r.toml:8: rule 'c' (price_move): ") and "1x" in said[3]
    assert said[4].startswith("r.toml:14: rule 'b' is already at ") and said[4].endswith("r.toml:5")
    assert said[5].startswith("r.toml:13: rule 'b' (price_move): ") and "high_pct" in said[5]
    assert len(said) == 6


def test_keys_of_a_rule_are_checked_like_settings(tmp_path: Path) -> None:
    said = refusal(tmp_path, MOVE.format(name="a") + 'severty = "high"\nsymbols = "TSLA"\n')
    assert said == [
        "r.toml:4: unknown key rules[0].severty; did you mean severity?",
        'r.toml:5: rules[0].symbols must be a list of text, got "TSLA"',
    ]


def test_a_mistyped_key_hides_no_other_mistake(tmp_path: Path) -> None:
    text = (
        MOVE.format(name="a")
        + 'severty = "high"\n[rules.params]\nhorizn = "1m"\n'
        + MOVE.format(name="a")
        + '[[rules]]\nname = "b"\ndetector = "price_moev"\n'
    )
    assert [line.partition(": ")[2] for line in refusal(tmp_path, text)] == [
        "unknown key rules[0].severty; did you mean severity?",
        "unknown key rules[0].params.horizn; did you mean horizon?",
        f"rule 'a' is already at {tmp_path / 'r.toml'}:2",
        "rule 'b': unknown detector 'price_moev'; did you mean price_move?",
    ]


@pytest.mark.parametrize(
    ("text", "said"), [("", "r.toml: has no rules"), ("[[rules]]\n", "r.toml:1: rules[0].name is")]
)
def test_a_file_without_what_it_needs_says_what_is_missing(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, text)[0].startswith(said)


@pytest.mark.parametrize("time", ["2025-04-08T00:00:00Z", '"2025-04-08T00:00:00Z"', "2025-04-08 02:00:00+02:00"])
def test_times_may_stand_without_quotation_marks(tmp_path: Path, time: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "m"\n[[rules]]\nname = "r"\ndetector = "zscore"\nenabled_from = {time}\n')
    (rule,) = load_rules_file(path).declared
    assert rule.enabled_from is not None
    assert parse_rfc3339(rule.enabled_from) == parse_rfc3339("2025-04-08T00:00:00Z")


def test_a_time_without_a_zone_is_refused_with_its_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "m"\n[[rules]]\nname = "r"\ndetector = "zscore"\nenabled_from = 2025-04-08T00:00:00\n')
    with pytest.raises(InputError, match="2025-04-08T00:00:00"):
        load_rules_file(path)
