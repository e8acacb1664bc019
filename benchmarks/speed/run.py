"""Run the speed benchmarks: `python -m benchmarks.speed.run [NAME ...]`. Writes JSON for each, and a table of all."""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import benchmarks.speed.bench_rolling_z as rolling_z  # first: it tells polars how many threads to use
from benchmarks.speed import (
    bench_alert_store,
    bench_api,
    bench_backtest,
    bench_five_detectors,
    bench_replay,
    bench_reports,
    bench_small_batches,
    bench_tick_history,
)
from benchmarks.speed.machine import describe, load
from benchmarks.speed.table import write_page

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    folder: Path  # for what is large or shared between benchmarks
    full: bool  # also what takes minutes and gigabytes
    quick: bool  # small sizes: does it run at all?


BENCHMARKS: dict[str, tuple[str, Callable[[Options], dict[str, Any]]]] = {
    "rolling_z": (
        "rolling z of 1M closes of 500 interleaved symbols: the engine, polars, csp",
        lambda o: rolling_z.bench(2, 100_000) if o.quick else rolling_z.bench(),
    ),
    "five_detectors": (
        "five detectors: the whole engine against a hand-written fused loop",
        lambda o: bench_five_detectors.bench(2, 100_000) if o.quick else bench_five_detectors.bench(),
    ),
    "small_batches": (
        "five detectors in batches of 64 ticks and of one",
        lambda o: bench_small_batches.bench(2, 500) if o.quick else bench_small_batches.bench(),
    ),
    "replay": (
        "tapewatch replay of 5M rows of 500 symbols with alerts and history written",
        lambda o: bench_replay.bench(1, 500_000) if o.quick else bench_replay.bench(full=o.full),
    ),
    "backtest": (
        "tapewatch backtest of 5M rows of 500 symbols, from CSV and from Parquet",
        lambda o: bench_backtest.bench(1, 500_000) if o.quick else bench_backtest.bench(),
    ),
    "cold_start": (
        "tapewatch replay of one small file, from the call to its end",
        lambda o: bench_replay.bench_cold_start(2 if o.quick else 9),
    ),
    "alerts_api": (
        "GET /alerts of tapewatch serve at 100 requests/s with 1M alerts stored",
        lambda o: bench_api.bench(o.folder, 20_000, 2.0) if o.quick else bench_api.bench(o.folder),
    ),
    "reports": (
        "tapewatch report: a PDF of 1,000 alerts, a CSV of 1M",
        lambda o: bench_reports.bench(o.folder, 20_000, 1) if o.quick else bench_reports.bench(o.folder),
    ),
    "alert_store": (
        "the SQLite stores alone, with 1M alerts",
        lambda o: bench_alert_store.bench(o.folder, 20_000, 20) if o.quick else bench_alert_store.bench(o.folder),
    ),
    "tick_history": (
        "the Parquet history alone, 5M rows",
        lambda o: bench_tick_history.bench(500_000) if o.quick else bench_tick_history.bench(),
    ),
}


def _one(name: str, options: Options, results: Path) -> None:
    what, bench = BENCHMARKS[name]
    print(f"{name}: {what} ...", flush=True)
    before, began = load(), time.perf_counter()
    found = bench(options)
    result = {
        "benchmark": name,
        "what": what,
        "machine": describe(),
        "load_before": before,
        "took_s": round(time.perf_counter() - began, 1),
        **found,
    }
    results.mkdir(parents=True, exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    for target in found["targets"]:
        way = "at least" if "at least" in target else "at most"
        verdict = "met" if target["met"] else "NOT MET"
        print(f"  {target['figure']:40} {target['value']:>14,.6g}   {way} {target[way]:,.6g}: {verdict}", flush=True)
    if not found["targets"]:
        print(f"  {json.dumps(found['figures'])[:160]} ...", flush=True)


def _survived(name: str, options: Options, results: Path) -> bool:
    """Run one; where it fails, say how, and let the others run: they take minutes each."""
    try:
        _one(name, options, results)
    except Exception:  # noqa: BLE001 - told, and the exit code says so
        traceback.print_exc()
        return False
    return True


def main() -> None:
    """Run what was asked for, all of it by default, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--full", action="store_true", help="replay 50M rows as well (4 GB of disk, a minute or more)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs; nothing is written")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the million alerts here and use them again")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="tapewatch-bench-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        options = Options(folder, arguments.full, arguments.quick)
        results = Path(temporary) / "results" if arguments.quick else RESULTS
        failed = [name for name in arguments.names or BENCHMARKS if not _survived(name, options, results)]
        write_page(results, list(BENCHMARKS))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
