"""Rules files: read, checked with file and line, compiled into a `RuleSet`."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from tapewatch.detection.registry import detectors
from tapewatch.detection.rules import Rule, RuleSet, RulesFile, compile_rule, rule_set
from tapewatch.model.errors import InputError
from tapewatch.runtime.config.check import Checker, missing
from tapewatch.runtime.config.problems import Problem, did_you_mean, refuse
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.config.tomlfile import TomlFile, parse_toml, read_toml

_PRESETS = "tapewatch.presets"


@dataclass(frozen=True, slots=True)
class LoadedRules:
    """A checked rule set, the disabled rules with it, and where it came from."""

    rules: RuleSet
    declared: tuple[Rule, ...]
    source: str  # `preset default` or the file's path


def preset_names() -> tuple[str, ...]:
    """The rule sets that come with tapewatch."""
    files = resources.files(_PRESETS).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml")))


def load_rules(settings: RulesSettings) -> LoadedRules:
    """The rules that the settings name: a file, else a preset. Relative paths are relative to the current folder.

    InputError has one line for each thing that is wrong, with file and line.
    """
    return load_rules_file(settings.file) if settings.file is not None else load_preset(settings.preset)


def load_rules_named(text: str) -> LoadedRules:
    """The rules of a file (`mine.toml`), or of a preset (`default`)."""
    path = Path(text)
    return load_rules_file(path) if path.suffix == ".toml" or path.exists() else load_preset(text)


def load_preset(name: str) -> LoadedRules:
    """A rule set that comes with tapewatch, by name."""
    names = preset_names()
    if name not in names:
        raise InputError(f"there is no preset {name!r}{did_you_mean(name, names)}")
    text = resources.files(_PRESETS).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return _compile(parse_toml(text, f"{name}.toml"), f"preset {name}")


def load_rules_file(path: Path) -> LoadedRules:
    """The rules of one TOML file."""
    return _compile(read_toml(path), str(path))


def _compile(file: TomlFile, source: str) -> LoadedRules:
    refuse(list(_problems(file, Checker(file.where, _no_custom_types, lax=False))))
    document = msgspec.convert(file.data, RulesFile)
    return LoadedRules(rule_set(file.data, file.path.stem), document.rules, source)


def _problems(file: TomlFile, checker: Checker) -> Iterator[Problem]:
    """All that is wrong, at once: keys, then each rule's name, detector, parameters, values that do not go together."""
    yield from checker.table(file.data, (RulesFile,))
    yield from missing(file.data, (RulesFile,), file.where)
    rules = file.data.get("rules", [])
    if not rules:
        yield Problem(file.name, "has no rules; each begins with [[rules]]")
    first: dict[str, str] = {}
    for index, raw in enumerate(rules if isinstance(rules, list) else []):
        if not isinstance(raw, dict):
            continue  # told above
        name, here = raw.get("name"), file.where(("rules", index, "name"))
        if isinstance(name, str):
            if name in first:
                yield Problem(here, f"rule {name!r} is already at {first[name]}")
            first.setdefault(name, here)
        yield from _of_detector(file, index, raw, checker)


def _of_detector(file: TomlFile, index: int, raw: dict[str, Any], checker: Checker) -> Iterator[Problem]:
    here, name, known = ("rules", index), raw.get("detector"), detectors()
    if not isinstance(name, str):
        return  # told by whoever looked at the keys
    if name not in known:
        text = f"rule {raw.get('name')!r}: unknown detector {name!r}{did_you_mean(name, known)}"
        yield Problem(file.where((*here, "detector")), text)
        return
    params, struct = raw.get("params", {}), known[name].params
    if isinstance(params, dict):
        wrong = [
            *checker.table(params, (struct,), (*here, "params")),
            *missing(params, (struct,), file.where, (*here, "params")),
        ]
        keys = [*checker.table(raw, (Rule,), here), *missing(raw, (Rule,), file.where, here)]
        yield from wrong if wrong or keys else _compile_problems(file, index, msgspec.convert(raw, Rule))


def _compile_problems(file: TomlFile, index: int, rule: Rule) -> Iterator[Problem]:
    try:
        compile_rule(rule)
    except InputError as error:
        yield Problem(file.where(("rules", index)), str(error))


def _no_custom_types(wanted: type, value: Any) -> Any:  # Any: msgspec's decoding hook
    raise TypeError(f"{wanted.__name__} has no place in a rules file (got {type(value).__name__})")
