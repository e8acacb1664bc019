"""A group whose commands are imported when they are called."""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.main import get_command

from tapewatch.runtime.cli.common import common_options
from tapewatch.runtime.cli.table import ENTRIES, Entry

# The context and the commands are typed Any here: typer carries click inside and has no public name for its types.


class LazyGroup(TyperGroup):
    """Lists the table's commands by stand-ins (name and help) and swaps in the real one when it is resolved."""

    entries: Sequence[Entry] = ENTRIES

    def __init__(self, **attrs: Any) -> None:
        attrs["commands"] = {entry.name: TyperCommand(entry.name, help=entry.help) for entry in self.entries}
        super().__init__(**attrs)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the base class gives it
        width = max((len(entry.name) for entry in self.entries), default=0)
        for panel in dict.fromkeys(entry.panel for entry in self.entries):
            with formatter.section(panel):
                rows = [(entry.name.ljust(width), entry.help) for entry in self.entries if entry.panel == panel]
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, stand_in, rest = super().resolve_command(ctx, args)
        entry = next((entry for entry in self.entries if entry.name == name), None)
        return name, stand_in if entry is None else load(entry), rest


def load(entry: Entry) -> Any:
    """Import a command and give it the options that every command has."""
    app: typer.Typer = import_module(entry.module).app
    command = get_command(app)
    command.name = entry.name
    command.help = command.help or entry.help
    for leaf in command.commands.values() if isinstance(command, TyperGroup) else (command,):
        leaf.params.extend(common_options())
        _tidy(leaf)
    return command


def _tidy(leaf: Any) -> None:
    """Name what an option takes (`--seed N`, `--zone ZONE`) instead of its Python type, and cut what a group says of
    this command where a clause ends, before typer cuts it in the middle of one."""
    leaf.short_help = re.split(r"[:;,.]", leaf.help)[0] + "."
    for param in leaf.params:
        if isinstance(param, TyperArgument):
            param.display_type_rich = _no_type  # type: ignore[method-assign] # typer offers no other way
        elif param.metavar is None and not param.is_flag:
            numeric = param.type_descriptor.annotation in (int, float)
            param.metavar = "N" if numeric else max(param.opts, key=len).removeprefix("--").replace("-", "_").upper()


def _no_type(ctx: Any) -> None:
    """The type of an argument, which its name and help tell already."""
