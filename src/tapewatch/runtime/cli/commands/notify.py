"""`tapewatch notify`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def notify(
    ctx: typer.Context,
    ops_port: Annotated[int | None, typer.Option(help="Port of /metrics and /readyz; 0: any.")] = None,
) -> None:
    """Tell people of the cluster's incidents, as [notify] says, until told to stop (Ctrl-C, SIGTERM).

    Any number may run: they share the topic of alerts, and one of them sends. What is owed is kept in the Redis of the
    state, so that notices go out while Elasticsearch is down.

    \b
    Examples:
      tapewatch notify --config tapewatch.toml --ops-port 9103
    """
    from tapewatch.runtime.cluster.sinks.notify_process import run_notifier
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    settings = state_of(ctx).load([Flag("--ops-port", "ops.port", ops_port)]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    run_notifier(settings)
