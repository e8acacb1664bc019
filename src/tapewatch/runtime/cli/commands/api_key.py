"""`tapewatch api-key`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app
from tapewatch.web.api.keys import ApiKey, new_key

app = command_app()


@app.callback()
def api_key() -> None:
    """Make keys for callers of the API."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will call; stands in the audit as the actor.")],
) -> None:
    """Make a key: its text on standard output, once; what belongs into the settings on standard error.

    Callers send it as `Authorization: Bearer KEY`. Only its hash is kept.

    \b
    Examples:
      tapewatch api-key new desk
      tapewatch api-key new desk > desk.key
    """
    key, hashed = new_key()
    entry = ApiKey(name=name, hash=hashed)
    typer.echo(
        "Give the key to its owner; it is shown only now. Add this to tapewatch.toml:\n\n"
        f'[[api.api_keys]]\nname = "{entry.name}"\nhash = "{entry.hash}"\n',
        err=True,
    )
    typer.echo(key)
