"""Rules are checked where they are read: what is wrong is named; what changes the findings changes version and
fingerprint."""

from typing import Any

import msgspec
import pytest

from tapewatch.detection.calibration import read_calibration
from tapewatch.detection.durations import duration_ns
from tapewatch.detection.rules import Rule, compile_rule, compile_rules, rule_set
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tests.unit.detection.support import BTC, TSLA, bars, calibration, calm, engine_for, preset, run, watching


def rule(**fields: Any) -> Rule:
    return Rule(**({"name": "r", "detector": "price_move"} | fields))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"detector": "price_mov"}, "did you mean 'price_move'"),
        ({"params": {"pct": "3"}}, r"rule 'r' \(price_move\): Expected `float`"),
        ({"params": {"pct": 6.0}}, r"rule 'r' \(price_move\): price_move: 0 < pct 6.0 <= high_pct 5.0"),
        ({"enabled_from": "soon"}, r"rule 'r' \(price_move\): 'soon' is not an RFC 3339 time"),
        ({"enabled_until": "2025-04-07"}, "'2025-04-07' is not an RFC 3339 time"),
        ({"name": "moved fast"}, "rule 'moved fast': a name is 1 to 64 letters"),
        ({"name": ""}, "a name is 1 to 64 letters"),
        ({"params": {"horizon": "soon"}}, "'soon' is not a duration"),
        ({"cooldown": "5 minutes"}, "'5 minutes' is not a duration"),
        ({"keep_firing_for": ""}, "'' is not a duration"),
        ({"phases": ("regular", "night")}, r"unknown phases \['night'\]"),
        ({"detector": "zscore", "params": {"window": 1}}, "window 1 must be at least 2"),
        ({"detector": "sma", "params": {"window": 1}}, "window must be at least 2"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        compile_rule(rule(**fields))


def test_a_rules_file_is_refused_for_an_unknown_key() -> None:
    with pytest.raises(InputError, match=r"unknown field `colour`.*rules\[0\]"):
        rule_set({"rules": [{"name": "a", "detector": "sma", "colour": "red"}]})


def test_names_stand_once_and_there_are_at_most_31_rules() -> None:
    with pytest.raises(InputError, match="rule names stand twice: a"):
        compile_rules("x", (rule(name="a"), rule(name="a")))
    with pytest.raises(InputError, match="has 32 rules; at most 31"):
        compile_rules("x", tuple(rule(name=str(i)) for i in range(32)))


def test_a_rule_for_a_group_that_does_not_exist_is_refused_for_it_would_watch_nothing() -> None:
    for groups in (("crypto",), ("stock", "cry*")):
        engine_for(compile_rules("x", (rule(groups=groups),)))
    with pytest.raises(InputError, match=r"rule 'r': the calibration has no group 'crypt'; it has crypto, .*stock"):
        engine_for(compile_rules("x", (rule(groups=("stock", "crypt")),)))


def test_a_disabled_rule_is_not_there() -> None:
    assert [r.name for r in compile_rules("x", (rule(name="a", enabled=False), rule(name="b"))).rules] == ["b"]


def test_the_version_covers_what_changes_the_findings_and_nothing_else() -> None:
    version = compile_rule(rule()).version
    assert len(version) == 12
    for fields in ({"name": "other"}, {"owner": "desk"}, {"text": "why"}, {"symbols": ("X",)}, {"cooldown": "1800s"}):
        assert compile_rule(rule(**fields)).version == version
    changed: list[dict[str, Any]] = [
        {"params": {"pct": 2.0}},
        {"severity": "high"},
        {"alert": "each"},
        {"cooldown": "31m"},
        {"keep_firing_bars": 9},
        {"phases": ("regular",)},
        {"enabled_from": "2025-01-01T00:00:00Z"},
    ]
    versions = {compile_rule(rule(**fields)).version for fields in changed}
    assert len(versions | {version}) == len(changed) + 1


def test_the_fingerprint_covers_rules_scopes_and_calibration() -> None:
    base = compile_rules("x", (rule(),))
    digests = {
        base.fingerprint("c"),
        base.fingerprint("d"),
        compile_rules("x", (rule(symbols=("A",)),)).fingerprint("c"),
        compile_rules("x", (rule(groups=("crypto",)),)).fingerprint("c"),
        compile_rules("x", (rule(name="s"),)).fingerprint("c"),
        compile_rules("x", (rule(),), judge_late=True).fingerprint("c"),
    }
    assert len(digests) == 6
    assert compile_rules("y", (rule(owner="me"),)).fingerprint("c") == base.fingerprint("c")


@pytest.mark.parametrize(
    ("fields", "watched"),
    [
        ({}, [True, True]),
        ({"symbols": ("TSLA",)}, [True, False]),
        ({"symbols": ("binance:*",)}, [False, True]),
        ({"symbols": ("*/USDT", "TS*")}, [True, True]),
        ({"exclude": ("XNAS:TSLA",)}, [False, True]),
        ({"symbols": ()}, [False, False]),
        ({"groups": ("crypto",)}, [False, True]),
        ({"groups": ("st*", "crypto"), "exclude": ("BTC/*",)}, [True, False]),
    ],
)
def test_a_rule_watches_the_symbols_of_its_patterns(fields: dict[str, Any], watched: list[bool]) -> None:
    rules = compile_rules("x", (rule(**fields),))
    assert [bool(rules.mask(i, g)) for i, g in ((TSLA, "stock"), (BTC, "crypto"))] == watched


def test_a_symbol_that_a_rule_does_not_watch_gives_no_signal_of_it() -> None:
    ticks = bars(TSLA, [*calm(30), 106.0])
    assert run(watching(price_move={}), ticks).signals
    assert run(watching(price_move={"exclude": ("TSLA",)}), ticks).signals == []


def test_presets_say_why_each_rule_is_there() -> None:
    assert all(r.rule.text for name in ("default", "prototype") for r in preset(name).rules)


def test_durations_are_read_exactly() -> None:
    assert [duration_ns(t) for t in ("250ms", "1.5s", " 2 m", "1h", "1d")] == [
        250_000_000,
        1_500_000_000,
        120_000_000_000,
        3_600_000_000_000,
        86_400_000_000_000,
    ]
    for wrong in ("", "5", "m", "-5m", "5 minutes", "1e3s"):
        with pytest.raises(InputError, match="is not a duration"):
            duration_ns(wrong)


def test_a_calibration_is_refused_for_what_is_wrong_with_it() -> None:
    good = msgspec.to_builtins(calibration())

    def refusal(change: Any) -> str:
        document = msgspec.json.decode(msgspec.json.encode(good))
        change(document)
        with pytest.raises(InputError) as refused:
            read_calibration(msgspec.json.encode(document), "cal.json")
        return str(refused.value)

    assert "'stock' has no tail named 'default'" in refusal(lambda d: d["groups"]["stock"]["tails"].pop("default"))
    assert "['crypto'] are missing" in refusal(lambda d: d["groups"].pop("crypto"))
    assert "48 positive numbers" in refusal(lambda d: d["groups"]["stock"].update(vol={"regular": [1.0] * 47}))
    assert "48 positive numbers" in refusal(lambda d: d["groups"]["stock"].update(volume={"pre": [0.0] * 48}))
    assert "cal.json: not a calibration file" in refusal(lambda d: d.update(colour="red"))
    with pytest.raises(InputError, match=r"cal\.json: not a calibration file"):
        read_calibration(b"{", "cal.json")


def test_a_symbol_belongs_to_its_own_group_or_to_its_venue_s_kind() -> None:
    known = calibration()
    names = list(known.groups)
    assert names[known.group_index(Instrument("binance", "X/USDT"))] == "crypto"
    assert names[known.group_index(Instrument("XNAS", "NOBODY"))] == "stock"
    own = msgspec.structs.replace(known, symbols={"XNAS:TSLA": "crypto"})
    assert names[own.group_index(TSLA)] == "crypto"
    assert own.digest() != known.digest()


def test_the_engine_asks_the_calibration_for_the_group_of_a_symbol() -> None:
    ticks = bars(TSLA, [*calm(30), 106.0])
    assert run(watching(price_move={"groups": ("stock",)}), ticks).signals
    assert run(watching(price_move={"groups": ("crypto",)}), ticks).signals == []
