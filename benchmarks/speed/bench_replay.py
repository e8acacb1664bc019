"""`tapewatch replay` as a whole: rows a second, memory, ten times the rows, and the cold start.

A generated CSV of minute bars of 500 symbols goes through the default rules; alerts, state and tick history are written
to a data directory. Start-up is a replay of one row a symbol; it is taken off rows a second and off both times of
ten times the rows, and off nothing else.
"""

import os
import statistics
import tempfile
from pathlib import Path

from benchmarks.speed import tapes
from benchmarks.speed.measure import Ran, Target, judge, run

SYMBOLS = 500
TARGETS = (
    Target("rows_per_s", "at least", 700_000),
    Target("peak_mb", "at most", 600),
    Target("times_for_ten_times_the_rows", "at most", 11),
)
START_TARGETS = (Target("cold_start_s", "at most", 3.0),)
SAMPLE_ROWS = 9_516


def _replay(source: Path, folder: Path) -> Ran:
    with tempfile.TemporaryDirectory(dir=folder) as data:
        return run("replay", str(source), "--quiet", "--data-dir", data)


def bench(rounds: int = 3, rows: int = 5_000_000, full: bool = False) -> dict[str, object]:
    """Files of one row a symbol, rows / 10 and rows in turn; `full` adds ten times the rows once (about 4 GB)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = {"start": SYMBOLS, "tenth": rows // 10, "all": rows}
        for size, count in sizes.items():
            tapes.write_csv(folder / f"{size}.csv", count, SYMBOLS)
        _replay(folder / "start.csv", folder)  # compiles the kernels
        took: dict[str, list[Ran]] = {size: [] for size in sizes}
        for _ in range(rounds):
            for size, ran in took.items():
                ran.append(_replay(folder / f"{size}.csv", folder))
        wall = {size: statistics.median(r.wall_s for r in ran) for size, ran in took.items()}
        cpu = {size: statistics.median(r.cpu_s for r in ran) for size, ran in took.items()}
        peak = {size: max(r.peak_mb for r in ran) for size, ran in took.items()}
        if full:
            tapes.write_csv(folder / "full.csv", 10 * rows, SYMBOLS)
            once = _replay(folder / "full.csv", folder)
            wall["full"], cpu["full"], peak["full"] = once.wall_s, once.cpu_s, once.peak_mb
            sizes["full"] = 10 * rows
        bytes_a_row = (folder / "all.csv").stat().st_size / rows
    less, more = ("all", "full") if full else ("tenth", "all")
    values = {
        "rows_per_s": (rows - SYMBOLS) / (wall["all"] - wall["start"]),
        "peak_mb": max(peak.values()),
        "times_for_ten_times_the_rows": (wall[more] - wall["start"]) / (wall[less] - wall["start"]),
    }
    figures = {
        "symbols": SYMBOLS,
        "bytes_a_row": round(bytes_a_row, 1),
        "rows": sizes,
        "wall_s": {size: round(s, 2) for size, s in wall.items()},
        "cpu_s": {size: round(s, 2) for size, s in cpu.items()},
        "peak_mb": {size: round(mb) for size, mb in peak.items()},
        "rows_per_cpu_s": round((rows - SYMBOLS) / (cpu["all"] - cpu["start"])),
    }
    return {"figures": figures, "targets": judge(TARGETS, values)}


def _sample(folder: Path) -> tuple[str, Path]:
    shared = Path(os.environ.get("TAPEWATCH_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
    sample = shared / "bars" / "TSLA_1min_sample.csv"
    if sample.exists():
        return "real bars of TSLA", sample
    tapes.write_csv(folder / "one.csv", SAMPLE_ROWS, 1)
    return "generated bars of one symbol", folder / "one.csv"


def bench_cold_start(rounds: int = 9) -> dict[str, object]:
    """`tapewatch replay` of two weeks of one stock's minute bars, from the call to its end, kernels compiled before."""
    with tempfile.TemporaryDirectory() as name:
        source, sample = _sample(Path(name))
        arguments = ("replay", str(sample), "--symbol", "TSLA", "--venue", "XNAS", "--quiet")
        run(*arguments)  # compiles the kernels
        took = [run(*arguments) for _ in range(rounds)]
        helped = [run("--help") for _ in range(rounds)]
    figures = {
        "source": source,
        "rows": SAMPLE_ROWS,
        "wall_s": round(statistics.median(r.wall_s for r in took), 2),
        "cpu_s": round(statistics.median(r.cpu_s for r in took), 2),
        "peak_mb": round(max(r.peak_mb for r in took)),
        "help_wall_s": round(statistics.median(r.wall_s for r in helped), 2),
    }
    return {
        "figures": figures,
        "targets": judge(START_TARGETS, {"cold_start_s": statistics.median(r.wall_s for r in took)}),
    }
