"""`tapewatch archive`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def archive(
    ctx: typer.Context,
    url: Annotated[str | None, typer.Option(help="A folder, or an address such as s3://bucket/ticks.")] = None,
    ops_port: Annotated[int | None, typer.Option(help="Port of /metrics and /readyz; 0: any.")] = None,
) -> None:
    """Keep the ticks of the tape in Parquet files, as [archive] says, until told to stop (Ctrl-C, SIGTERM).

    With archive.elasticsearch they are written to the indices ticks-* too.

    \b
    Examples:
      tapewatch archive --url /data/archive
    """
    from tapewatch.runtime.cluster.sinks.archive_process import run_archiver
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    flags = [Flag("--url", "archive.url", url), Flag("--ops-port", "ops.port", ops_port)]
    settings = state_of(ctx).load(flags).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    run_archiver(settings)
