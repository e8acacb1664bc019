"""`tapewatch notices`."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

if TYPE_CHECKING:
    from tapewatch.runtime.given_up import Ledger

app = command_app()

ClusterFlag = Annotated[
    bool, typer.Option("--cluster", help="Those of the cluster; else of the data directory, where that holds data.")
]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Which data directory.")]
OfChannel = Annotated[str | None, typer.Option("--channel", metavar="NAME", help="Only those of this channel.")]
OfAlert = Annotated[str | None, typer.Option("--alert", metavar="ID", help="Only those of this alert.")]


@app.command("list")
def list_notices(
    ctx: typer.Context,
    channel: OfChannel = None,
    alert: OfAlert = None,
    cluster: ClusterFlag = False,
    data_dir: DataDir = None,
) -> None:
    """List notices that were given up, and why: after all attempts, or at once where the target is not allowed.

    \b
    Examples:
      tapewatch notices list
      tapewatch notices list --channel slack --cluster
    """
    from tapewatch.runtime.given_up import given_up

    with _open(ctx, cluster, data_dir) as ledger:
        found = given_up(ledger, channel, alert)
    for row in found:
        to = "" if row.recipient == row.channel else f" to {row.recipient}"
        typer.echo(f"{row.alert_id} {row.revision}  {row.channel}{to}: {row.last_error}")
    if not found:
        typer.echo("no notice was given up", err=True)


@app.command()
def retry(
    ctx: typer.Context,
    channel: OfChannel = None,
    alert: OfAlert = None,
    cluster: ClusterFlag = False,
    data_dir: DataDir = None,
) -> None:
    """Have what `list` shows sent again, once what was wrong is set right: by `serve`, or on the cluster by `notify`.

    \b
    Examples:
      tapewatch notices retry --channel slack
    """
    from tapewatch.runtime.given_up import given_up, owe_again

    with _open(ctx, cluster, data_dir) as ledger:
        found = given_up(ledger, channel, alert)
        owe_again(ledger, found)
    typer.echo(f"{len(found)} notices are owed again", err=True)


def _open(ctx: typer.Context, cluster: bool, data_dir: Path | None) -> "AbstractContextManager[Ledger]":
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.given_up import open_ledger

    settings = state_of(ctx).load([Flag("--data-dir", "data_dir", data_dir)]).settings
    return open_ledger(settings, cluster=cluster or (None if data_dir is None else False))
