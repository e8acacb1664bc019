"""What every command has: `--config`, `--set`, `--debug`, and the settings that come of them."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

if TYPE_CHECKING:  # imported where it is used: `--help` shall not pay for it
    from tapewatch.runtime.config import Flag, Loaded


def command_app() -> typer.Typer:
    """An empty app for one file of `commands/`."""
    return typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@dataclass
class CliState:
    """The common options of one call; `ctx.obj` of every command."""

    config: Path | None = None
    assignments: list[str] = field(default_factory=list)
    debug: bool = False

    def load(self, flags: "Sequence[Flag]" = ()) -> "Loaded":
        """The settings from defaults, file, environment, `flags` and `--set`, and where they came from.

        A flag without a value (None) does not count. InputError names everything that is wrong.
        """
        from tapewatch.runtime.config import load_settings

        return load_settings(self.config, flags=flags, assignments=self.assignments)


def state_of(ctx: typer.Context) -> CliState:
    """The common options of this call."""
    state = ctx.find_object(CliState)
    if state is None:  # a command that is run by itself, outside of `main`
        state = ctx.obj = CliState()
    return state


def _config(ctx: typer.Context, value: Path | None) -> None:
    if value is not None:
        state_of(ctx).config = value


def _set(ctx: typer.Context, value: list[str] | None) -> None:
    state_of(ctx).assignments.extend(value or [])


def _debug(ctx: typer.Context, value: bool) -> None:
    if value:
        state_of(ctx).debug = True


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        callback=_config,
        expose_value=False,
        help="Settings file; else $TAPEWATCH_CONFIG, else tapewatch.toml in this folder.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        callback=_set,
        expose_value=False,
        help="One setting, e.g. --set api.port=9000; may be repeated.",
    ),
]
DebugOption = Annotated[
    bool,
    typer.Option(
        "--debug",
        callback=_debug,
        expose_value=False,
        help="Show the traceback of an error.",
    ),
]


def print_json(objects: Iterable[object]) -> None:
    """A line of JSON each on standard output, at once."""
    import msgspec

    sys.stdout.buffer.writelines(msgspec.json.encode(found) + b"\n" for found in objects)
    sys.stdout.buffer.flush()


def _holder(config: ConfigOption = None, assignments: SetOption = None, debug: DebugOption = False) -> None:
    """Carries the options, so that typer builds them."""


def common_options() -> list[Any]:  # Any: typer has no public name for a parameter
    """Freshly built options for one command."""
    app = command_app()
    app.command()(_holder)
    return list(get_command(app).params)
