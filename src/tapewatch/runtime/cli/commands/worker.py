"""`tapewatch worker`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def worker(
    ctx: typer.Context,
    concurrency: Annotated[int | None, typer.Option(help="Processes that judge; each uses one core.")] = None,
    queues: Annotated[
        str, typer.Option(help="detect: batches; office: reports and mail; both with a comma between.")
    ] = "detect",
    preset: Annotated[str | None, typer.Option(help="Rule set of tapewatch; that of the bridge.")] = None,
    ops_port: Annotated[
        int | None, typer.Option(help="Port of /metrics and /readyz; 0 lets the system choose.")
    ] = None,
) -> None:
    """A Celery worker: judges the batches that bridges put into the queue. Any number may run, on any machine.

    Its rules have to be the bridge's: batches for other rules are refused, and counted.

    \b
    Examples:
      tapewatch worker
      tapewatch worker --concurrency 4
      tapewatch worker --queues office
    """
    from tapewatch.runtime.cluster.worker_process import run_worker
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    flags = {
        "concurrency": ("worker.concurrency", concurrency),
        "preset": ("rules.preset", preset),
        "ops-port": ("ops.port", ops_port),
    }
    settings = state_of(ctx).load([Flag(f"--{name}", key, value) for name, (key, value) in flags.items()]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    run_worker(settings, [name.strip() for name in queues.split(",")])
