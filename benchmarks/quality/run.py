"""Measure what the default rules find and what they disturb people with: `python benchmarks/quality/run.py`.

Prints tables and writes `benchmarks/quality/results/quality.json`. One configuration for all rows: the presets of the
tree. `--small` simulates a tenth (a minute); without the real data (`TAPEWATCH_SHARED_DATA`, else beside the checkout)
those rows are left out, and that is said. Neither is written over the committed figures, only to an `--out`.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.quality import bars, pumps, sell_off, simulated, table  # noqa: E402 (the path must be set first)
from benchmarks.quality.simulated import Size  # noqa: E402
from tapewatch.runtime.config.rules import load_preset  # noqa: E402
from tapewatch.runtime.embedded import load_calibration  # noqa: E402

RESULTS = Path(__file__).parent / "results"
TRADED_HOURS = {"stock": 6.5, "crypto": 24.0}


def measure(size: Size) -> dict[str, Any]:
    """All rows, and what they were measured with."""
    rules, calibration = load_preset("default").rules, load_calibration(None)
    real = bars.DATA.is_dir()
    bar_rows = [bars.measure(s, rules, calibration) for s in bars.SOURCES] if real else []
    null_rows = [simulated.null(kind, size, rules, calibration) for kind in simulated.MARKETS]
    base = {str(r["market"]): float(str(r["per_day"])) / TRADED_HOURS[str(r["market"])] for r in null_rows}
    return {
        "rules": rules.fingerprint(calibration.digest()),
        "calibration": calibration.name,
        "real_data": real,
        "bars": bar_rows,
        "sell_off": sell_off.measure() if real else None,
        "pumps": pumps.measure(rules, calibration) if pumps.PUMPS.is_dir() else None,
        "null": null_rows,
        "classes": [simulated.class_row(m, a, size, rules, calibration) for m, a in simulated.classes()],
        "traps": [simulated.trap_row(m, t, size, rules, calibration, base[m]) for m, t in simulated.traps()],
    }


def report(found: dict[str, Any]) -> str:
    """The tables."""
    lines = [f"rules {found['rules']}, calibration: {found['calibration']}", ""]
    if found["real_data"]:
        lines += table.bars_table(found["bars"])
        coins = [r for r in found["bars"] if r["file"].split()[0] in ("ALGO", "AVAX", "FIL", "NEAR")]
        pooled = sum(r["incidents"] for r in coins) / sum(r["days"] for r in coins)
        lines += [f"Binance months pooled: {pooled:.3f} price incidents a symbol and day (target 0.3)", ""]
        lines += [table.sell_off_line(found["sell_off"]), ""]
    else:
        lines += ["The real data is not beside the checkout: its rows are left out.", ""]
    if found["pumps"]:
        lines += table.pump_tables(found["pumps"])
    lines += table.null_table(found["null"])
    lines += table.class_table(found["classes"])
    lines += table.crossing_tables(found["classes"]) + table.yardstick_table(found["null"])
    lines += table.trap_table(found["traps"])
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Figures of detection quality.")
    parser.add_argument("--small", action="store_true", help="a tenth of the simulated markets")
    parser.add_argument("--out", type=Path, help="folder for quality.json and quality.md")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    found = measure(Size(40, 10, 20, 4) if chosen.small else Size())
    found["seconds"] = round(time.monotonic() - began, 1)
    text = report(found)
    print(text)
    whole = found["real_data"] and found["pumps"] is not None and not chosen.small
    folder = chosen.out or (RESULTS if whole else None)
    if folder is None:
        print("Nothing is written: the committed figures have all rows, these have not. --out FOLDER keeps them.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "quality.json").write_text(json.dumps(found, indent=1) + "\n")
        (folder / "quality.md").write_text(text)
    print(f"{found['seconds']} s")


if __name__ == "__main__":
    main(sys.argv[1:])
