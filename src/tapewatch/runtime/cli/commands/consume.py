"""`tapewatch consume`."""

import logging
from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of
from tapewatch.runtime.cli.options import Venue

app = command_app()


@app.command()
def consume(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Option(metavar="TOPIC", help="Topic, or a pattern that begins with ^; may be repeated."),
    ] = None,
    executor: Annotated[str | None, typer.Option(help="celery: workers judge; inline: this process does.")] = None,
    group: Annotated[str | None, typer.Option(help="Consumer group; its bridges share the partitions.")] = None,
    preset: Annotated[str | None, typer.Option(help="Rule set of tapewatch: default, prototype.")] = None,
    venue: Venue = None,
    ops_port: Annotated[
        int | None, typer.Option(help="Port of /metrics and /readyz; 0 lets the system choose.")
    ] = None,
) -> None:
    """The bridge: read the tape from Kafka, have it judged, publish signals and alerts, until told to stop.

    Any number may run; they share the partitions. Stopped by Ctrl-C or SIGTERM, it finishes what is in flight; after
    any other end, another bridge goes on where the state stands.

    \b
    Examples:
      tapewatch consume
      tapewatch consume --topic tsla-data --executor inline
      tapewatch consume --topic '^prices-.*' --group desk --ops-port 9100
    """
    from tapewatch.runtime.cluster.processes import run_bridge
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    flags = {
        "topic": ("kafka.topics", topic or None),
        "executor": ("bridge.executor", executor),
        "group": ("bridge.group", group),
        "preset": ("rules.preset", preset),
        "venue": ("bridge.venue", venue),
        "ops-port": ("ops.port", ops_port),
    }
    settings = state_of(ctx).load([Flag(f"--{name}", key, value) for name, (key, value) in flags.items()]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    others = state_of(ctx).load().settings.kafka.topics if topic else settings.kafka.topics
    if set(others) != set(settings.kafka.topics):
        logging.getLogger(__name__).warning(
            "--topic is for this process alone: merger and archiver take %s from kafka.topics", ", ".join(others)
        )
    run_bridge(settings)
