"""`tapewatch rules`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tapewatch.detection.rule_diff import FieldChange, RulesDiff, diff_rules
from tapewatch.detection.rules import CompiledRule, Rule
from tapewatch.runtime.cli.common import command_app, state_of
from tapewatch.runtime.config.layers import Flag
from tapewatch.runtime.config.rules import (
    LoadedRules,
    load_preset,
    load_rules,
    load_rules_file,
    load_rules_named,
    preset_names,
)

app = command_app()
DIFFERENT = 1


@app.callback()
def rules() -> None:
    """Check, show, compare and list rule sets."""


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A rules file (TOML).")],
) -> None:
    """Check a rules file: every mistake with its line, exit code 2; else one line and exit code 0.

    \b
    Examples:
      tapewatch rules check my-rules.toml
    """
    from tapewatch.runtime.embedded import load_calibration

    settings = state_of(ctx).load([]).settings.rules
    loaded = load_rules_file(file)
    loaded.rules.refuse_unknown_groups(load_calibration(settings.calibration, settings.instruments).groups)
    off = len(loaded.declared) - len(loaded.rules.rules)
    count = len(loaded.rules.rules)
    typer.echo(f"{file}: {count} {'rule' if count == 1 else 'rules'} in force, {off} switched off")


@app.command()
def show(
    ctx: typer.Context,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Show this rule set of tapewatch.")] = None,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Show the rules of this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a rule.")] = False,
) -> None:
    """Show the rules in force: versions, detectors, parameters with their defaults filled in.

    Without an option it shows what the settings name.

    \b
    Examples:
      tapewatch rules show
      tapewatch rules show --preset prototype
      tapewatch rules show --file my-rules.toml --json
    """
    flags = [
        Flag("--preset", "rules.preset", preset),
        Flag("--file", "rules.file", None if file is None else str(file)),
    ]
    loaded = load_rules(state_of(ctx).load(flags).settings.rules)
    if as_json:
        for rule in loaded.rules.rules:
            typer.echo(json.dumps(_as_object(rule), ensure_ascii=False))
        return
    _print(loaded)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A rules file, or the name of a preset.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The same of the rules that it is compared with.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what changes from one rule set to another, and which rules keep their state.

    Exit code 0 where nothing differs, 1 where something does, 2 where a file is wrong.

    \b
    Examples:
      tapewatch rules diff default my-rules.toml
      tapewatch rules diff old.toml new.toml --json
    """
    a, b = load_rules_named(old).rules, load_rules_named(new).rules
    found = diff_rules(a.rules, b.rules)
    late = None if a.judge_late == b.judge_late else FieldChange("judge_late", a.judge_late, b.judge_late)
    if as_json:
        changed = [{**msgspec.to_builtins(c), "keeps_state": c.keeps_state} for c in found.changed]
        typer.echo(msgspec.json.encode({**msgspec.to_builtins(found), "changed": changed, "judge_late": late}))
    else:
        typer.echo("\n".join(_diff_lines(found, late)) or "no difference")
    raise typer.Exit(0 if found.empty and late is None else DIFFERENT)


def _diff_lines(found: RulesDiff, late: FieldChange | None) -> Iterator[str]:
    yield from (f"+ {name} {version}: starts cold" for name, version in found.added)
    yield from (f"- {name} {version}: its open alerts resolve" for name, version in found.removed)
    for rule in found.changed:
        if rule.keeps_state:
            yield f"~ {rule.name} {rule.new_version}: keeps its state"
        else:
            yield f"~ {rule.name} {rule.old_version} -> {rule.new_version}: starts cold, its open alerts resolve"
        yield from (f"    {field}" for field in rule.fields)
    if late is not None:
        yield f"~ {late}"


@app.command("list")
def list_presets() -> None:
    """List the rule sets that come with tapewatch.

    \b
    Examples:
      tapewatch rules list
    """
    for name in preset_names():
        loaded = load_preset(name)
        typer.echo(f"{name}: {', '.join(rule.name for rule in loaded.rules.rules)}")


def _parameters(rule: CompiledRule) -> dict[str, object]:
    return {name: getattr(rule.params, name) for name in rule.params.__struct_fields__}


def _as_object(rule: CompiledRule) -> dict[str, object]:
    declared: Rule = rule.rule
    return {
        "name": rule.name,
        "version": rule.version,
        "detector": rule.detector.name,
        "severity": declared.severity,
        "symbols": declared.symbols,
        "exclude": declared.exclude,
        "groups": declared.groups,
        "params": _parameters(rule),
        "owner": declared.owner,
        "text": declared.text,
    }


def _print(loaded: LoadedRules) -> None:
    typer.echo(f"{loaded.rules.name} ({loaded.source})")
    for rule in loaded.rules.rules:
        typer.echo(f"\n{rule.name} {rule.version}: {rule.detector.name}, {_scope(rule.rule)}")
        if rule.rule.text:
            typer.echo(f"  {rule.rule.text}")
        for name, value in _parameters(rule).items():
            typer.echo(f"  {name} = {json.dumps(value)}")
    for off in (rule for rule in loaded.declared if not rule.enabled):
        typer.echo(f"\n{off.name}: switched off")


def _scope(rule: Rule) -> str:
    but = f" but {' '.join(rule.exclude)}" if rule.exclude else ""
    groups = f" of {' '.join(rule.groups)}" if rule.groups else ""
    return f"at most {rule.severity}, symbols {' '.join(rule.symbols)}{but}{groups}"
