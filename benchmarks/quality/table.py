"""The figures as a table in Markdown."""

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


def _within(value: float, interval: tuple[float, float], digits: int) -> str:
    low, high = interval
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _rate(cell: Row, digits: int) -> str:
    return f"{cell['incidents']}: {_within(cell['per_day'], cell['interval'], digits)}"


def _share(cell: Row) -> str:
    low, high = cell["interval"]
    return f"{cell['found']}/{cell['of']} = {cell['value']:.3f} [{low:.3f}, {high:.3f}]"


def as_table(head: str, rows: Iterable[str]) -> list[str]:
    """A table: its head, as many columns, its rows, and an empty line."""
    columns = head.count("|") - 1
    return [head, "|" + " --- |" * columns, *rows, ""]


def bars_table(rows: Iterable[Row]) -> list[str]:
    """Real bars."""
    return as_table(
        "| file | days | price incidents a day | unseen days only | outside known events, moved 5 % in 5 min"
        " | and did not | target | known events |"
        " bad prints told (as price) | at turns of the day | data quality | naive: incidents, events |",
        (
            f"| {r['file']} | {r['days']} | {_within(r['per_day'], r['interval'], 2)}"
            f" | {r['unseen_per_day']:.2f} | {_rate(r['unknown_moved'], 2)} | {_rate(r['unknown_calm'], 2)}"
            f" | {r['target']:.1f}"
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
    return as_table(
        "| nothing planted | symbol-days | incidents a symbol and day (target 0.05) | at high or above (0.01) |",
        (
            f"| {r['market']} | {r['symbol_days']} | {_within(r['per_day'], r['interval'], 4)}"
            f" | {_within(r['high_per_day'], r['high_interval'], 4)} |"
            for r in rows
        ),
    )


def yardstick_table(rows: Iterable[Row]) -> list[str]:
    """How often the unplanted markets are beyond the size of 1.0."""
    return as_table(
        "| nothing planted, symbol-days of 100 beyond the size of 1.0 | in one bar | of a rise of four bars"
        " | of a fall made good | a fall of that size, made good or not |",
        (
            f"| {r['market']} | "
            + " | ".join(f"{d[k]:.2f}" for k in ("move", "pump_dump", "flash_crash", "fall_of_a_crash"))
            + " |"
            for r in rows
            for d in (r["days_beyond_yardstick"],)
        ),
    )


def class_table(rows: Iterable[Row]) -> list[str]:
    """Planted anomalies."""
    return as_table(
        "| planted | recall at 1.5 times (0.95) | within a bar of the onset | precision (0.95) | recall at 1.0 | at 2.0"
        " | median delay | told before the onset"
        " | naive: recall, precision |",
        (
            f"| {r['market']} {r['class']} | {_share(r['recall_1.5'])} | {r['at_onset'] / r['recall_1.5']['of']:.3f}"
            f" | {_share(r['precision'])}"
            f" | {r['recall_1']['value']:.3f} | {r['recall_2']['value']:.3f}"
            f" | {'-' if r['median_delay_s'] is None else format(r['median_delay_s'], '.0f') + ' s'}"
            f" | {r['negative_delays']}"
            f" | {r['naive']['recall']:.2f}, {r['naive']['precision']:.2f} |"
            for r in rows
        ),
    )


def crossing_tables(rows: Iterable[Row]) -> list[str]:
    """Planted anomalies by their crossing, beside the onset alone and the end; then at the other sizes."""
    rows = list(rows)
    lines = as_table(
        "| planted, 1.5 times | crosses, bars after the onset: median, p95 | never"
        " | found within a bar of the crossing (0.95) | or sooner | late, untold | precision (0.95)"
        " | delay from the crossing, bars: median, p95 | told before it | within a bar of the onset"
        " | until a bar after the end | naive: recall, precision | naive or sooner |",
        (_crossing_row(r, r["crossing_1.5"]) for r in rows),
    )
    return lines + as_table(
        "| planted, by the crossing | never at 1.0 | recall at 1.0 | or sooner | precision | never at 2.0"
        " | recall at 2.0 | or sooner | precision |",
        (
            f"| {r['market']} {r['class']} | {_other_size(r['crossing_1'])} | {_other_size(r['crossing_2'])} |"
            for r in rows
        ),
    )


def _other_size(by: Row) -> str:
    recall = f"{_share(by['recall'])} | {by['or_sooner']['value']:.3f}"
    return f"{by['never_crossed']} | {recall} | {_share(by['precision'])}"


def _crossing_row(row: Row, by: Row) -> str:
    onset = {"found": row["at_onset"], "of": row["recall_1.5"]["of"], "interval": row["at_onset_interval"]}
    onset["value"] = onset["found"] / onset["of"]
    naive, sooner = row["naive_crossing"], row["naive_or_sooner"]
    return (
        f"| {row['market']} {row['class']} | {_spread(by['crossing_bars_after_onset'])} | {by['never_crossed']}"
        f" | {_share(by['recall'])} | {_share(by['or_sooner'])} | {by['late']}, {by['untold']}"
        f" | {_share(by['precision'])} | {_spread(by['delay_bars'])} | {by['negative_delays']}"
        f" | {_share(onset)} | {row['recall_1.5']['value']:.3f}"
        f" | {naive['recall']:.2f}, {naive['precision']:.2f} | {sooner['recall']:.2f}, {sooner['precision']:.2f} |"
    )


def _spread(cell: Row | None) -> str:
    return "-" if cell is None else f"{cell['median']:g}, {cell['p95']:g}"


def trap_table(rows: Iterable[Row]) -> list[str]:
    """Traps."""
    return as_table(
        "| trap | opened within an hour | base rate | above it (0.01) |",
        (f"| {r['market']} {r['trap']} | {_share(r)} | {r['base']:.3f} | {r['above_base']:+.3f} |" for r in rows),
    )


def pump_tables(found: Row) -> list[str]:
    """Trade tapes around announced pumps: all default rules together, then by coin."""
    rows = [("one coin left out at a time", found["left_out"]), ("as shipped", found["shipped"])]
    lines = as_table(
        "| pumps on trade tapes | found (0.95) | false incidents a pair and day (0.05) | of them moved 5 % in 5 min"
        " | did not | neither true nor false | median delay (5 s) |",
        (
            f"| {name} | {_hits(r)} | {r['false']} in {r['pair_days']} days:"
            f" {_within(r['false_per_day'], r['interval'], 3)} | {_rate(r['moved'], 3)} | {_rate(r['calm'], 3)}"
            f" | {r['neutral']}"
            f" | {_seconds(r['median_delay_s'])} |"
            for name, r in rows
        ),
    )
    naive = found["naive"]
    lines += [
        f"Naive rule, threshold {naive['threshold']:g} tuned in sample: {naive['found']}/{naive['pumps']} found,"
        f" {naive['false_per_day']:.3f} false a pair and day, median delay {_seconds(naive['median_delay_s'])}.",
        f"Missed when left out: {', '.join(found['left_out']['missed']) or 'none'}.",
        "",
    ]
    return lines + as_table(
        "| coin, left out | strength chosen on the others | found | pair-days | false | a pair and day |",
        (
            f"| {coin} | {found['chosen'][coin]:.1f} | {r['found']}/{r['pumps']} | {r['pair_days']} | {r['false']}"
            f" | {r['false_per_day']:.3f} |"
            for coin, r in found["by_coin"].items()
        ),
    )


def _hits(row: Row) -> str:
    low, high = row["recall_interval"]
    share = row["found"] / row["pumps"] if row["pumps"] else float("nan")
    return f"{row['found']}/{row['pumps']} = {share:.3f} [{low:.3f}, {high:.3f}]"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
