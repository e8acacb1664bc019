"""`tapewatch config`."""

import typer

from tapewatch.runtime.cli.common import command_app, state_of
from tapewatch.runtime.config.show import show as as_toml

app = command_app()


@app.callback()
def config() -> None:
    """Show the effective settings and where they come from."""


@app.command()
def show(ctx: typer.Context) -> None:
    """Print the effective settings as TOML, each with where it came from; secrets are hidden.

    \b
    Examples:
      tapewatch config show
      tapewatch config show --config desk.toml --set api.port=9000
      tapewatch config show | grep -v default
    """
    typer.echo(as_toml(state_of(ctx).load()), nl=False)
