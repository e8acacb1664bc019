"""`tapewatch replay`."""

import gc
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapewatch.runtime.cli.common import command_app, print_json, state_of
from tapewatch.runtime.cli.options import Columns, Dates, Interval, Quiet, Symbol, Venue, Zone
from tapewatch.runtime.cli.progress import progress

if TYPE_CHECKING:  # imported where they are used: `replay --help` shall not pay for them
    from tapewatch.feeds.port import Feed
    from tapewatch.model.alerts import Alert
    from tapewatch.model.ticks import Fate
    from tapewatch.runtime.config.settings import Settings
    from tapewatch.runtime.pipeline import Sinks

app = command_app()
DEAD_SHOWN, _PAGE = 5, 10_000
HELP = (
    "--map says which column holds what; times are ISO 8601 (2025-04-07 10:10), YYYYMMDD, s to ns since 1970, or "
    "07/04/2025 with --dates dmy"
)


@app.command()
def replay(
    ctx: typer.Context,
    sources: Annotated[
        list[str], typer.Argument(metavar="FILE", help="CSV, CSV.gz, globs, a .tape, or - (standard input).")
    ],
    symbol: Symbol = None,
    venue: Venue = None,
    zone: Zone = None,
    interval: Interval = None,
    dates: Dates = None,
    mapping: Columns = None,
    preset: Annotated[str | None, typer.Option(help="Rule set of tapewatch: default, prototype.")] = None,
    rules: Annotated[str | None, typer.Option(metavar="FILE", help="Rules file of your own.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep everything here; a second run goes on.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report: .pdf or .csv.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object an alert revision on standard output.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Run historical data through the whole pipeline, as fast as possible, and show what was found. Nobody is notified.

    \b
    Examples:
      tapewatch replay TSLA_1min_sample.csv --symbol TSLA --venue XNAS
      tapewatch replay 'ticks/*.csv.gz' --json | jq .message
      tapewatch replay TSLA_1min_sample.csv --preset prototype --report out.pdf
    """
    from tapewatch.feeds.csv_settings import parse_mapping
    from tapewatch.model.errors import InputError
    from tapewatch.runtime.cli.paths import check_apart
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.feeds import open_feed, venue_notes, with_sources
    from tapewatch.runtime.reporting import format_of

    flags = {
        "symbol": ("feed.symbol", symbol),
        "venue": ("feed.venue", venue),
        "zone": ("feed.zone", zone),
        "interval": ("feed.interval", interval),
        "dates": ("feed.dates", dates),
        "preset": ("rules.preset", preset),
        "rules": ("rules.file", rules),
    }
    settings = state_of(ctx).load([Flag(f"--{name}", key, value) for name, (key, value) in flags.items()]).settings
    if report is not None:
        format_of(report)
        check_apart(sources, ("--report", report))
    feed = open_feed(with_sources(settings.feed, sources, parse_mapping(mapping) if mapping else {}))
    if data_dir is not None and not feed.identity:
        raise InputError("standard input cannot be gone on with later: save it to a file, or leave out --data-dir")
    for note in venue_notes(feed):
        typer.echo(note, err=True)
    with _stores(data_dir, feed, report is not None) as sinks:
        newest = _newest(sinks)
        fates, known_dead = _replay(settings, feed, sinks, as_json=as_json, quiet=quiet)
        _say_dead(sinks, fates, known_dead, newest, data_dir)
        if report is not None:
            _write(report, sinks, settings)


def _replay(
    settings: "Settings", feed: "Feed", sinks: "Sinks", *, as_json: bool, quiet: bool
) -> "tuple[dict[Fate, int], int]":
    """Run it and show what was found; gives the records by fate, and how many were dead letters of earlier runs."""
    from rich.console import Console

    from tapewatch.model.ticks import Fate
    from tapewatch.runtime.cli.tables import show_alerts, show_groups
    from tapewatch.runtime.embedded import build_engine, make_pipeline

    engine = build_engine(settings.rules)
    pipeline = make_pipeline(feed, engine, sinks, time.time_ns, print_json if as_json else _nothing)
    gc.freeze()  # what is there by now stays: no collection has to walk through the compiler again
    known_dead = pipeline.progress.fates.get(Fate.DEAD, 0)
    began = time.perf_counter()
    with progress("Replaying", unit="records", quiet=quiet) as advance:
        pipeline.run(feed, settings.engine.batch_ticks, on_records=advance)
    seconds = time.perf_counter() - began
    if not as_json:
        if sinks.groups is not None:
            show_groups(Console(), sinks.groups)
        show_alerts(Console(), sinks.alerts, sinks.groups, pipeline.progress, seconds)
    return pipeline.progress.fates, known_dead


def _newest(sinks: "Sinks") -> int:
    """The number of the newest dead letter, of any tape of the data directory; 0 where there is none."""
    newest = 0
    while page := sinks.dead_letters.dead_letters(newest, _PAGE):
        newest = page[-1][0]
    return newest


def _say_dead(sinks: "Sinks", fates: "dict[Fate, int]", known: int, newest: int, data_dir: Path | None) -> None:
    """Name the first rows that this run could not read, on standard error; an InputError where not one could be.
    `known` are the dead letters of earlier runs of this tape; those up to number `newest` were there before."""
    from tapewatch.model.errors import InputError
    from tapewatch.model.ticks import Fate

    dead = fates.get(Fate.DEAD, 0) - known
    for _, letter in sinks.dead_letters.dead_letters(newest, DEAD_SHOWN) if dead else ():
        typer.echo(f"not read: {letter.source}, line {letter.position}: {letter.reason}", err=True)
    if dead > DEAD_SHOWN:
        listed = f"tapewatch dead-letters list --data-dir {data_dir or 'DIR'}"
        kept = f"{listed} shows all" if data_dir else f"with --data-dir DIR all are kept, and {listed} shows them"
        typer.echo(f"not read: ... and {dead - DEAD_SHOWN:,} more; {kept}", err=True)
    if dead and not any(count for fate, count in fates.items() if fate not in (Fate.DEAD, Fate.HEARTBEAT)):
        raise InputError(f"not one of {dead:,} rows could be read; {HELP}")


def _nothing(_: "Sequence[Alert]") -> None:
    """The table at the end tells it all."""


@contextmanager
def _stores(data_dir: Path | None, feed: "Feed", needs_ticks: bool) -> "Iterator[Sinks]":
    from tapewatch.runtime.embedded import memory_sinks, open_on_disk, tape_name
    from tapewatch.runtime.untold import untold

    if data_dir is None and not needs_ticks:
        yield memory_sinks()
        return
    with tempfile.TemporaryDirectory(prefix="tapewatch-") as temporary:
        stores = open_on_disk(data_dir or Path(temporary), tape_name(feed), time.time_ns)
        try:
            with untold(stores.database):
                yield stores.sinks
        finally:
            stores.close()


def _write(path: Path, sinks: "Sinks", settings: "Settings") -> None:
    from tapewatch.reports.port import ReportRequest
    from tapewatch.runtime.embedded import load_facts
    from tapewatch.runtime.reporting import format_of, source_of, write_report

    source = source_of(sinks, load_facts(settings.rules.instruments))
    size = write_report(path, source, ReportRequest(format=format_of(path).name))
    typer.echo(f"report: {path} ({size:,} bytes)", err=True)
