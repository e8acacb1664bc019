"""The root command and `main`: one clear message for a user's mistake, an exit code that scripts can use."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from tapewatch import __version__
from tapewatch.model.errors import InputError, RetryableError, TapewatchError
from tapewatch.runtime.cli.common import CliState, ConfigOption, DebugOption, SetOption
from tapewatch.runtime.cli.lazy import LazyGroup

FAILED, WRONG_INPUT, TRY_AGAIN = 1, 2, 3
_USERS = (InputError, FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
"""What the user mends: also paths that nothing can be read from or written to."""

HELP = """Watches live market data, finds what is abnormal while it happens, and tells the people who must act.

Settings come from tapewatch.toml, TAPEWATCH_* variables and flags, the later winning: see tapewatch config show.
"""
EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 wrong command line, setting or input,
            3 something did not answer: try again later, 130 interrupted.
"""

app = typer.Typer(
    cls=LazyGroup,
    name="tapewatch",
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: rich would make it three times as slow
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"tapewatch {__version__}")
        raise typer.Exit


@app.callback()
def root(
    config: ConfigOption = None,
    assignments: SetOption = None,
    debug: DebugOption = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass  # the options have callbacks of their own


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line (default: of this process) and exit with one of the codes above.

    A mistake of the user is one message on standard error; a mistake of ours keeps its traceback.
    """
    state = CliState()
    try:
        get_command(app)(args=args, prog_name="tapewatch", obj=state)
        code = 0
    except TapewatchError as error:
        code = _report(error, str(error), state.debug)
    except OSError as error:
        if _reader_went_away(error):
            sys.exit(FAILED)
        where = f"{error.filename}: " if error.filename else ""
        code = _report(error, f"{where}{error.strerror or error}", state.debug)
    sys.exit(code)


def _reader_went_away(error: OSError) -> bool:
    """Whether standard output was a pipe that nobody reads now (`tapewatch generate | head`): nothing to complain of.
    polars hides the number in its text."""
    if error.errno != errno.EPIPE and f"os error {errno.EPIPE}" not in str(error):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered has nowhere to go
    return True


def _report(error: Exception, message: str, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    typer.secho("error: " + message.replace("\n", "\n       "), fg=typer.colors.RED, err=True)
    if isinstance(error, _USERS):
        return WRONG_INPUT
    return TRY_AGAIN if isinstance(error, RetryableError) else FAILED
