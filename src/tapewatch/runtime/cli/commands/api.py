"""`tapewatch api`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def api(
    ctx: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; another than loopback needs an API key.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Serve the API of the cluster until told to stop (Ctrl-C, SIGTERM). Any number may run.

    It stays up while Elasticsearch, Kafka or the queue's Redis is down; /readyz says what is missing.

    \b
    Examples:
      tapewatch api --port 8000
      curl localhost:8000/alerts/TSLA
    """
    from tapewatch.runtime.cluster.sinks.api_process import ClusterApi
    from tapewatch.runtime.cluster.sinks.report_queue import nudge_reports
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    flags = [Flag("--host", "api.host", host), Flag("--port", "api.port", port)]
    settings = state_of(ctx).load(flags).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    server = ClusterApi(settings, nudge=nudge_reports(settings))
    typer.echo(f"tapewatch serves {server.address} (API: /docs, metrics: /metrics)", err=True)
    server.run()
