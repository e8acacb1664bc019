"""`tapewatch backtest`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapewatch.runtime.cli.common import command_app, print_json, state_of
from tapewatch.runtime.cli.options import Begin, Columns, Dates, End, Interval, Quiet, Symbol, Venue, Zone, feed_flags
from tapewatch.runtime.cli.progress import progress

if TYPE_CHECKING:  # imported where they are used: `backtest --help` shall not pay for them
    from tapewatch.runtime.backtest import Backtested
    from tapewatch.runtime.history import History

app = command_app()


@app.command()
def backtest(
    ctx: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="CSV, CSV.gz, globs, a .tape, or a directory with tick history."),
    ],
    rules: Annotated[
        str | None, typer.Option(metavar="RULES", help="Rules file or preset; else what the settings name.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="RULES", help="A second rules file or preset to compare with.")
    ] = None,
    calibration: Annotated[Path | None, typer.Option(metavar="FILE", help="Calibration of --rules.")] = None,
    against_calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Calibration of --against; else the same.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What is known to be in it: CSV with symbol, time, ...")
    ] = None,
    begin: Begin = None,
    end: End = None,
    symbol: Symbol = None,
    venue: Venue = None,
    zone: Zone = None,
    interval: Interval = None,
    dates: Dates = None,
    mapping: Columns = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report: .pdf.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the result: .json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on standard output.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run rules over a history and count what they would have told: incidents, recall, precision, delay.

    It is the code that runs live. It writes to no data directory and notifies nobody.

    \b
    Examples:
      tapewatch backtest TSLA_1min_sample.csv --symbol TSLA --venue XNAS
      tapewatch backtest tapewatch-data --against my-rules.toml --report compare.pdf
      tapewatch backtest market.csv --labels labels.csv --json | jq .a.score.recall
      tapewatch backtest 'ticks/*.csv.gz' --rules old.toml --against new.toml --out result.json
    """
    from rich.console import Console

    from tapewatch.feeds.csv_settings import parse_mapping
    from tapewatch.model.errors import InputError
    from tapewatch.runtime.backtest import load_labels, run_backtest, side_of
    from tapewatch.runtime.cli.backtest_tables import show
    from tapewatch.runtime.cli.paths import check_apart, check_outputs
    from tapewatch.runtime.history import open_history, span_of

    given = {"symbol": symbol, "venue": venue, "zone": zone, "interval": interval, "dates": dates}
    settings = state_of(ctx).load(feed_flags(given)).settings
    check_outputs(("--out", out, ".json"), ("--report", report, ".pdf"))
    files = (rules, against, calibration, against_calibration, labels)
    read = [str(name) for name in files if name is not None and Path(name).is_file()]
    check_apart([*sources, *read], ("--out", out), ("--report", report))
    known = load_labels(labels) if labels is not None else None
    sides = [side_of(settings.rules, rules, calibration)]
    if against is not None:
        sides.append(side_of(settings.rules, against, against_calibration or calibration))
    history = open_history(settings.feed, sources, parse_mapping(mapping) if mapping else {}, span_of(begin, end))
    for note in history.venue_notes():
        typer.echo(note, err=True)
    engines = [(side, side.engine()) for side in sides]
    began = time.perf_counter()
    with progress("Backtesting", total=history.total, unit="records", quiet=quiet) as advance:
        done = run_backtest(history, engines, known, time.time_ns(), advance)
    seconds = time.perf_counter() - began
    if not done.result.symbols:
        raise InputError("there is no tick in this history" + (" between --from and --to" if begin or end else ""))
    _write(done, history, out, report)
    if as_json:
        print_json([done.result])
    else:
        show(Console(), done.result, seconds)


def _write(done: "Backtested", history: "History", out: Path | None, report: Path | None) -> None:
    import msgspec

    from tapewatch.runtime.backtest_report import write_backtest_report

    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(done.result), indent=1) + b"\n")
    if report is not None:
        typer.echo(f"report: {report} ({write_backtest_report(report, done, history):,} bytes)", err=True)
