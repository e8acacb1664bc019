"""`tapewatch beat`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def beat(
    ctx: typer.Context,
    ops_port: Annotated[int | None, typer.Option(help="Port of /metrics and /readyz; 0: any.")] = None,
) -> None:
    """Celery Beat with RedBeat: has due reports made. Several may run: one works, and another takes over.

    What reports there are is in `[reports.schedules]`; `tapewatch worker --queues office` makes them.

    \b
    Examples:
      tapewatch beat --config tapewatch.toml --ops-port 9105
    """
    from tapewatch.runtime.cluster.beat_process import run_beat
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    settings = state_of(ctx).load([Flag("--ops-port", "ops.port", ops_port)]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    run_beat(settings)
