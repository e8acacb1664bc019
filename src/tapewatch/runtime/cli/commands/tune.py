"""`tapewatch tune`."""

from pathlib import Path
from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, print_json, state_of
from tapewatch.runtime.cli.options import Begin, Columns, Dates, End, Interval, Quiet, Symbol, Venue, Zone, feed_flags
from tapewatch.runtime.cli.progress import progress

app = command_app()


@app.command()
def tune(
    ctx: typer.Context,
    history: Annotated[
        list[str],
        typer.Option(metavar="SOURCE", help="CSV, CSV.gz, glob, .tape or directory of tick history; may be repeated."),
    ],
    budget: Annotated[
        str, typer.Option(metavar="N/symbol/day", help="How many price incidents a symbol and day are bearable.")
    ] = "0.2/symbol/day",
    rules: Annotated[
        str | None, typer.Option(metavar="RULES", help="Rules file or preset to begin with; else the settings'.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Calibration for groups that the history does not hold.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What is worth finding: CSV with symbol, time, ...")
    ] = None,
    cases: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data directory whose closed alerts tell what was worth it.")
    ] = None,
    holdout: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of days, the last ones, that tuning may not see.")
    ] = 0.3,
    name: Annotated[str, typer.Option(help="Name of the proposed rules and calibration.")] = "tuned",
    rules_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the proposed rules: .toml.")] = None,
    calibration_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the calibration: .json.")] = None,
    begin: Begin = None,
    end: End = None,
    symbol: Symbol = None,
    venue: Venue = None,
    zone: Zone = None,
    interval: Interval = None,
    dates: Dates = None,
    mapping: Columns = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was tried and found, as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Propose thresholds and a calibration from a history, within a budget of incidents.

    \b
    Examples:
      tapewatch tune --history tapewatch-data --budget 0.2/symbol/day --rules-out mine.toml --calibration-out mine.json
      tapewatch tune --history 'bars/*.csv.gz' --venue XNAS --labels known.csv
      tapewatch tune --history tapewatch-data --cases tapewatch-data --holdout 0.5
    """
    from rich.console import Console

    from tapewatch.detection.tuning.tune import Task, work
    from tapewatch.detection.tuning.tune import tune as propose
    from tapewatch.feeds.csv_settings import parse_mapping
    from tapewatch.runtime.backtest import load_labels, side_of
    from tapewatch.runtime.cli.paths import check_apart, check_outputs
    from tapewatch.runtime.cli.tune_tables import show
    from tapewatch.runtime.history import open_history, span_of
    from tapewatch.runtime.tune import dispositions, write_calibration, write_rules

    given = {"symbol": symbol, "venue": venue, "zone": zone, "interval": interval, "dates": dates}
    settings = state_of(ctx).load(feed_flags(given)).settings
    check_outputs(("--rules-out", rules_out, ".toml"), ("--calibration-out", calibration_out, ".json"))
    check_apart(history, ("--rules-out", rules_out), ("--calibration-out", calibration_out))
    side = side_of(settings.rules, rules, calibration)
    useful, noise = dispositions(cases) if cases is not None else ([], [])
    task = Task(
        side.loaded.rules,
        side.calibration,
        name,
        _budget(budget),
        [*(load_labels(labels) if labels is not None else []), *useful],
        noise,
        holdout,
    )
    source = open_history(settings.feed, history, parse_mapping(mapping) if mapping else {}, span_of(begin, end))
    for note in source.venue_notes():
        typer.echo(note, err=True)
    with progress("Reading", total=source.total, unit="records", quiet=quiet) as advance:
        batches = []
        for batch in source.batches():
            batches.append(batch)
            advance(len(batch))
    with progress("Tuning", total=work(batches, holdout), unit="records", quiet=quiet) as advance:
        tuned = propose(task, batches, advance)
    if rules_out is not None:
        write_rules(rules_out, tuned, source.names)
    if calibration_out is not None:
        write_calibration(calibration_out, tuned.calibration)
    if as_json:
        print_json([tuned.tuning])
    else:
        show(Console(), tuned.tuning)


def _budget(text: str) -> float:
    """`0.2/symbol/day`, or the number alone."""
    from tapewatch.model.errors import InputError

    try:
        value = float(text.removesuffix("/day").removesuffix("/symbol"))
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise InputError(f"--budget {text!r}: write a number of incidents a symbol and day, e.g. 0.2/symbol/day")
    return value
