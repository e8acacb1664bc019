"""`tapewatch report`."""

import gc
import time
from pathlib import Path
from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

app = command_app()


@app.command()
def report(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where to: .pdf or .csv.")],
    data_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Which data directory.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First onset: RFC 3339, or a date (UTC).")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Onsets before this.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Only this symbol.")] = None,
    venue: Annotated[str | None, typer.Option(help="Only this venue.")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="Only this severity; may be repeated.")] = None,
    zone: Annotated[str, typer.Option(help="Zone in which times are printed.")] = "UTC",
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
) -> None:
    """Write a report about what a data directory holds; it may be in use by a running serve.

    \b
    Examples:
      tapewatch report april.pdf --from 2025-04-07 --to 2025-04-12
      tapewatch report all.csv --data-dir tapewatch-demo
    """
    from tapewatch.model.instruments import upper_symbol
    from tapewatch.model.times import parse_moment
    from tapewatch.reports.port import ReportRequest
    from tapewatch.reports.tasks import check_request
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.embedded import database_in, open_for_reading
    from tapewatch.runtime.reporting import format_of, write_report

    settings = state_of(ctx).load([Flag("--data-dir", "data_dir", data_dir)]).settings
    database_in(settings.data_dir)
    request = ReportRequest(
        format=format_of(out).name,
        from_ns=parse_moment(begin) if begin else None,
        to_ns=parse_moment(end) if end else None,
        venue=venue,
        symbol=symbol and upper_symbol(symbol),
        severity=severity or None,
        title=title,
        zone=zone,
    )
    check_request(request)
    gc.freeze()  # what is there by now stays: a fifth of the time of a long CSV went into walking through it
    with open_for_reading(settings.data_dir, time.time_ns, settings.rules.instruments) as source:
        size = write_report(out, source, request)
    typer.echo(f"report: {out} ({size:,} bytes)", err=True)
