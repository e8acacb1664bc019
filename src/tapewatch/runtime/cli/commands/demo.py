"""`tapewatch demo`."""

from pathlib import Path
from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app

app = command_app()


@app.command()
def demo(
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where the demo leaves its data.")] = Path(
        "tapewatch-demo"
    ),
    days: Annotated[int, typer.Option(min=2, max=60, help="Days of market.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Another market.")] = 7,
    seconds: Annotated[
        float, typer.Option(min=0, help="About how long the run takes; 0 is as fast as possible.")
    ] = 12.0,
) -> None:
    """Run a simulated market with planted anomalies through the real pipeline, and compare what was found.

    It leaves a database, a tick history, a PDF and a CSV report. A data directory that a demo left is replaced.

    \b
    Examples:
      tapewatch demo
      tapewatch demo --days 20 --seconds 0 --seed 3
    """
    import shutil

    from rich.console import Console

    from tapewatch.model.errors import InputError
    from tapewatch.runtime.demo import demo_config, run_demo, score_table

    marker = data_dir / ".tapewatch-demo"
    if data_dir.exists() and any(data_dir.iterdir()) and not marker.exists():
        raise InputError(f"{data_dir} is not empty and was not made by a demo: name another folder with --data-dir")
    console = Console()
    with console.status("Compiling the detectors (some seconds, the first time only) and making a market ..."):
        from tapewatch.runtime.config.settings import RulesSettings
        from tapewatch.runtime.embedded import build_engine

        build_engine(RulesSettings()).warm()
    if data_dir.exists():
        shutil.rmtree(data_dir)
    data_dir.mkdir(parents=True)
    marker.touch()  # first: who ends a demo half-way may begin another
    result = run_demo(demo_config(days, seed), data_dir, seconds, console)
    console.print(score_table(result.card))
    console.print(f"{result.records:,} records in {result.seconds:.1f} s, in market time {days} days")
    _reports(data_dir)
    console.print(f"\nIn [bold]{data_dir}/[/]: tapewatch.sqlite, history/ (Parquet), report.pdf, report.csv")
    console.print("Try next:")
    console.print(f"  {_command()} serve --data-dir {data_dir}", soft_wrap=True)
    console.print("    then open http://127.0.0.1:8000/docs")
    console.print(f"  {_command()} replay YOUR.csv --report out.pdf", soft_wrap=True)


def _command() -> str:
    """How the user calls us: by the path, where a checkout's environment is not on theirs."""
    import shutil
    import sys

    return "tapewatch" if shutil.which("tapewatch") else sys.argv[0]


def _reports(data_dir: Path) -> None:
    import time

    from tapewatch.reports.port import ReportRequest
    from tapewatch.runtime.embedded import open_for_reading
    from tapewatch.runtime.reporting import write_report

    with open_for_reading(data_dir, time.time_ns) as source:
        for name in ("pdf", "csv"):
            title = "Surveillance report of the demo market (simulated data)"
            write_report(data_dir / f"report.{name}", source, ReportRequest(format=name, title=title))
