"""The figures as a table in Markdown."""

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


def _within(value: float, interval: tuple[float, float], digits: int) -> str:
    low, high = interval
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _share(cell: Row) -> str:
    low, high = cell["interval"]
    return f"{cell['found']}/{cell['of']} = {cell['value']:.3f} [{low:.3f}, {high:.3f}]"


def _lines(head: str, rows: Iterable[str]) -> list[str]:
    columns = head.count("|") - 1
    return [head, "|" + " --- |" * columns, *rows, ""]


def bars_table(rows: Iterable[Row]) -> list[str]:
    """Real bars."""
    return _lines(
        "| file | days | price incidents a day | unseen days only | outside known events | target | known events |"
        " bad prints told (as price) | at turns of the day | data quality | naive: incidents, events |",
        (
            f"| {r['file']} | {r['days']} | {_within(r['per_day'], r['interval'], 2)}"
            f" | {r['unseen_per_day']:.2f} | {r['unknown_per_day']:.2f} | {r['target']:.1f}"
            f" | {r['events_found']}/{r['events']}"
            f" | {r['bad_prints_told']}/{r['bad_prints']} ({r['bad_prints_as_price']})"
            f" | {r['at_turns']} | {r['data_quality']}"
            f" | {r['naive']['incidents']}, {r['naive']['events_found']}/{r['events']} |"
            for r in rows
        ),
    )


def sell_off_line(row: Row) -> str:
    """One sell-off, one notice."""
    return (
        f"Four coins, 2025-02-03 01:54 to 02:20 UTC: {row['notices']} notice (target {row['target']}) with"
        f" {', '.join(row['members'])}, recognised {', '.join(row['recognised'])}; {row['notices_ungrouped']} without"
        f" groups. The whole month: {row['month_notices']} notices, {row['month_notices_ungrouped']} without groups."
    )


def null_table(rows: Iterable[Row]) -> list[str]:
    """Markets without anomalies."""
    return _lines(
        "| nothing planted | symbol-days | incidents a symbol and day (target 0.05) | at high or above (0.01) |",
        (
            f"| {r['market']} | {r['symbol_days']} | {_within(r['per_day'], r['interval'], 4)}"
            f" | {_within(r['high_per_day'], r['high_interval'], 4)} |"
            for r in rows
        ),
    )


def class_table(rows: Iterable[Row]) -> list[str]:
    """Planted anomalies."""
    return _lines(
        "| planted | recall at 1.5 times (0.95) | precision (0.95) | recall at 1.0 | at 2.0 | median delay"
        " | naive: recall, precision |",
        (
            f"| {r['market']} {r['class']} | {_share(r['recall_1.5'])} | {_share(r['precision'])}"
            f" | {r['recall_1']['value']:.3f} | {r['recall_2']['value']:.3f}"
            f" | {'-' if r['median_delay_s'] is None else format(r['median_delay_s'], '.0f') + ' s'}"
            f" | {r['naive']['recall']:.2f}, {r['naive']['precision']:.2f} |"
            for r in rows
        ),
    )


def trap_table(rows: Iterable[Row]) -> list[str]:
    """Traps."""
    return _lines(
        "| trap | opened within an hour | base rate | above it (0.01) |",
        (f"| {r['market']} {r['trap']} | {_share(r)} | {r['base']:.3f} | {r['above_base']:+.3f} |" for r in rows),
    )
