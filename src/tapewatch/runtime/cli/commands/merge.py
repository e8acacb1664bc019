"""`tapewatch merge`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def merge(
    ctx: typer.Context,
    ops_port: Annotated[int | None, typer.Option(help="Port of /metrics and /readyz; 0: any.")] = None,
) -> None:
    """Merge what all bridges say of each minute, and publish moves of whole markets to the topic `groups`, until told
    to stop (Ctrl-C, SIGTERM).

    A minute is over when every partition of the tape has passed it. Any number may run: one of them works, and another
    takes its place.

    \b
    Examples:
      tapewatch merge
      tapewatch merge --config tapewatch.toml --ops-port 9104
    """
    from tapewatch.runtime.cluster.processes import run_merger
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    settings = state_of(ctx).load([Flag("--ops-port", "ops.port", ops_port)]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    run_merger(settings)
