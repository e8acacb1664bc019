"""The results as a page in Markdown, made from the JSON files: `results/README.md`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]
QUIET = 0.5
"""Load above which times are not to be trusted."""

WHAT = {
    "times_polars": "rolling z, threshold 8: times as fast as polars, 2 threads",
    "times_csp": "rolling z, threshold 8: times as fast as csp, vector form",
    "percent_of_the_fused_loop": "five detectors: percent of the speed of a hand-written fused loop",
    "batch_64_ticks_per_s": "five detectors, batches of 64: ticks/s",
    "single_tick_us": "five detectors, one tick: us",
    "rows_per_s": "replay of a CSV: rows/s",
    "peak_mb": "replay of a CSV: peak memory, MB",
    "times_for_ten_times_the_rows": "replay of a CSV: times as long for ten times the rows, without the start-up",
    "cold_start_s": "cold start of a replay, kernels compiled: s",
    "page_p99_ms": "GET /alerts at 100 requests/s, 1M alerts: p99, ms",
    "pdf_1000_alerts_s": "PDF of 1,000 alerts: s",
    "csv_1m_alerts_s": "CSV of 1M alerts: s",
    "csv_extra_mb_for_ten_times_the_alerts": "CSV: MB more for ten times the alerts",
}


def _row(target: Result, result: Result) -> str:
    way = "at least" if "at least" in target else "at most"
    verdict = "yes" if target["met"] else "**no**"
    return (
        f"| {WHAT.get(target['figure'], target['figure'])} | {target['value']:,.6g} | {way} {target[way]:,.6g}"
        f" | {verdict} | {_busy(result)} |"
    )


def _busy(result: Result) -> str:
    load = float(result["load_before"])
    return f"busy machine, load {load:g}" if load > QUIET else ""


def _beside(result: Result) -> list[str]:
    """What was measured beside the targets and is less good: rolling z with thirty times the alerts."""
    more = result["figures"].get("threshold_4", {})
    names = {name: WHAT[name].replace("threshold 8", "threshold 4") for name in ("times_polars", "times_csp")}
    return [f"| {what} | {more[name]:,.6g} | | | {_busy(result)} |" for name, what in names.items() if more]


def page(results: Sequence[Result]) -> str:
    """One row a target, of all results, and what stands beside; then on what they were measured."""
    lines = [
        "# Speed, as measured",
        "",
        "Written by `make bench` from the JSON files beside it, which hold all figures, the machine and the versions.",
        "",
        "| figure | measured | asked | met | |",
        "| --- | --- | --- | --- | --- |",
        *(row for r in results for row in (*(_row(target, r) for target in r["targets"]), *_beside(r))),
        "",
    ]
    for machine in {json.dumps(r["machine"], sort_keys=True): r["machine"] for r in results}.values():
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        lines += [
            f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:g} GB, {machine['system']},"
            f" Python {machine['python']}; {versions}.",
            "",
        ]
    return "\n".join(lines)


def write_page(folder: Path, order: Sequence[str]) -> None:
    """`README.md` of the results in `folder`, in the order of their names in `order`."""
    paths = [folder / f"{name}.json" for name in order]
    (folder / "README.md").write_text(page([json.loads(path.read_text()) for path in paths if path.exists()]))
