"""`tapewatch serve`."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of
from tapewatch.runtime.cli.options import Symbol, Venue

app = command_app()


@app.command()
def serve(
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="What to read; else what the settings name.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Where everything is kept.")] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; another than loopback needs an API key.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    speed: Annotated[float | None, typer.Option(help="Times real time; 0 is as fast as possible.")] = None,
    preset: Annotated[str | None, typer.Option(help="Rule set of tapewatch: default, prototype.")] = None,
    symbol: Symbol = None,
    venue: Venue = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Watch a simulated market instead of files.")] = False,
) -> None:
    """Run feed, detection, alerts, notices, reports and API in one process until told to stop (Ctrl-C, SIGTERM).

    Started again with the same data directory and sources, it goes on where it was.

    \b
    Examples:
      tapewatch serve TSLA_1min_sample.csv --speed 60
      tapewatch serve --data-dir tapewatch-demo
      tapewatch serve --simulate --speed 1
    """
    from tapewatch.model.errors import InputError
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.feeds import open_source, with_sources
    from tapewatch.runtime.logging import configure_logging
    from tapewatch.runtime.server import EmbeddedServer

    if simulate and sources:
        raise InputError("--simulate watches a simulated market: it goes with no file")
    flags = {
        "data-dir": ("data_dir", data_dir),
        "host": ("api.host", host),
        "port": ("api.port", port),
        "speed": ("feed.speed", speed),
        "preset": ("rules.preset", preset),
        "symbol": ("feed.symbol", symbol),
        "venue": ("feed.venue", venue),
    }
    settings = state_of(ctx).load([Flag(f"--{name}", key, value) for name, (key, value) in flags.items()]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    feed_settings = with_sources(settings.feed, sources, {}) if sources else settings.feed
    stop = threading.Event()
    feed = open_source(feed_settings, settings.data_dir, simulate=simulate, stopped=stop.is_set)
    server = EmbeddedServer(settings, feed, stop=stop)
    typer.echo(f"tapewatch serves {server.address} (API: /docs, metrics: /metrics)", err=True)
    server.run()
    if server.compiling:
        sys.stderr.flush()
        os._exit(0)  # an orderly exit would wait for the compiler, or take its memory away beneath it
