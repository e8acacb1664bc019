"""`tapewatch index`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def index(
    ctx: typer.Context,
    ops_port: Annotated[int | None, typer.Option(help="Port of /metrics and /readyz; 0: any.")] = None,
) -> None:
    """Bring alerts, signals and dead letters from Kafka into Elasticsearch until told to stop (Ctrl-C, SIGTERM).

    Any number may run; they share the partitions. While Elasticsearch is away nothing more is read.

    \b
    Examples:
      tapewatch index
      tapewatch index --set elasticsearch.urls='["https://es:9200"]' --ops-port 9101
    """
    from tapewatch.runtime.cluster.sinks.index_process import run_indexer
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    settings = state_of(ctx).load([Flag("--ops-port", "ops.port", ops_port)]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    run_indexer(settings)
