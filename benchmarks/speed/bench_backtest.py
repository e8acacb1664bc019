"""`tapewatch backtest` as a whole, with the default rules: ticks a second of one core, from CSV and from Parquet.

The whole command is measured, and what it takes for one row a symbol (start-up) is taken off. The target is held in
time of the processor, summed over all threads, best of the rounds: what one core does that nobody else uses. The wall
clock stands beside it.
"""

import tempfile
from pathlib import Path

from benchmarks.speed import tapes
from benchmarks.speed.measure import Ran, Target, judge, run

SYMBOLS = 500
KINDS = ("csv", "parquet")
TARGETS = (
    Target("csv_ticks_per_core_s", "at least", 1_000_000),
    Target("parquet_ticks_per_core_s", "at least", 1_000_000),
)


def _backtest(source: Path) -> Ran:
    return run("backtest", str(source), "--quiet", "--json")


def bench(rounds: int = 3, rows: int = 5_000_000) -> dict[str, object]:
    """Files of one row a symbol and of `rows`, and the history of a replay over each, in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources: dict[str, Path] = {}
        for size, count in {"start": SYMBOLS, "all": rows}.items():
            csv, data = folder / f"{size}.csv", folder / f"{size}.data"
            tapes.write_csv(csv, count, SYMBOLS)
            run("replay", str(csv), "--quiet", "--data-dir", str(data))
            sources |= {f"csv_{size}": csv, f"parquet_{size}": data}
        took: dict[str, list[Ran]] = {key: [] for key in sources}
        for _ in range(rounds):
            for key, source in sources.items():
                took[key].append(_backtest(source))
    ticks = rows - SYMBOLS
    cpu = {key: min(r.cpu_s for r in ran) for key, ran in took.items()}
    wall = {key: min(r.wall_s for r in ran) for key, ran in took.items()}
    values = {f"{kind}_ticks_per_core_s": ticks / (cpu[f"{kind}_all"] - cpu[f"{kind}_start"]) for kind in KINDS}
    figures = {
        "symbols": SYMBOLS,
        "rows": rows,
        "cpu_s": {key: round(s, 2) for key, s in cpu.items()},
        "wall_s": {key: round(s, 2) for key, s in wall.items()},
        "ticks_per_wall_s": {k: round(ticks / (wall[f"{k}_all"] - wall[f"{k}_start"])) for k in KINDS},
        "peak_mb": round(max(r.peak_mb for ran in took.values() for r in ran)),
    }
    return {"figures": figures, "targets": judge(TARGETS, values)}
