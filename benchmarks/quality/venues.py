"""What `venue_divergence` finds and disturbs people with: `python benchmarks/quality/venues.py`.

No history here has one name on two venues, so they are made from the simulated coins of `simulated.null_config`: each
further venue has a premium of its own and a noise that swells with the coin's volatility, is heavy in its tails and
remembers some minutes, follows a minute late in one of fifty minutes and has no bar in another fifty. In half of the
runs one venue leaves the others once a day, by 1.5 times the rule's floor, for 20 minutes. The size of all this was set
beforehand from what Makarov and Schoar (2020) find within a region, and not changed after a run. Prints a table and
writes `results/venues.json`.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.quality import simulated, table  # noqa: E402 (the path must be set first)
from tapewatch.alerts.bootstrap import block_rate  # noqa: E402
from tapewatch.alerts.intervals import clopper_pearson  # noqa: E402
from tapewatch.detection.backtest.run import run  # noqa: E402
from tapewatch.detection.rules import Rule, compile_rules  # noqa: E402
from tapewatch.model.alerts import Alert  # noqa: E402
from tapewatch.model.instruments import Instrument  # noqa: E402
from tapewatch.model.ticks import Kind, TickBatch, concat, make_batch  # noqa: E402
from tapewatch.model.times import DAY_NS, MINUTE_NS  # noqa: E402
from tapewatch.runtime.embedded import load_calibration  # noqa: E402

RESULTS = Path(__file__).parent / "results"
RULE = "venue_divergence"
SEEDS = (840_101, 840_102)
SIZE = simulated.Size(null_symbols=50, null_days=10)
OTHERS = ("kraken", "okx")
PREMIUM, NOISE, MEMORY, LATE, MISSING = 1e-3, 5e-4, 0.9, 0.02, 0.02
LEAVES, LASTS = 0.015, 20
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plant:
    """One venue's way out: which, and when (minutes since the tape's first)."""

    symbol: str
    venue: str
    minute: int


def grid(ticks: TickBatch) -> Floats:
    """Closes by minute and symbol, NaN where there is no bar."""
    bars = ticks.kind == Kind.BAR
    minute = (ticks.ts_event_ns[bars] - ticks.ts_event_ns[bars][0]) // MINUTE_NS
    closes = np.full((int(minute.max()) + 1, len(ticks.symbols)), np.nan)
    closes[minute, ticks.symbol_id[bars]] = ticks.close[bars]
    return closes


def apart(closes: Floats, random: np.random.Generator) -> Floats:
    """Another venue's closes in times of these."""
    moves = np.abs(np.diff(np.log(closes), axis=0, prepend=np.log(closes[:1])))
    usual = np.nanmean(moves, axis=0)
    lively, noise = usual.copy(), np.zeros(closes.shape[1])
    found = np.empty_like(closes)
    premium = random.normal(0.0, PREMIUM, closes.shape[1])
    for minute in range(len(closes)):
        lively += np.nan_to_num(moves[minute] - lively) * 2.0 / 61.0
        fresh = random.standard_t(3.0, closes.shape[1]) / np.sqrt(3.0)
        noise = MEMORY * noise + np.sqrt(1.0 - MEMORY**2) * fresh
        found[minute] = np.exp(premium + NOISE * noise * lively / usual)
    late = random.random(closes.shape) < LATE
    late[0] = False
    before = np.vstack([closes[:1], closes[:-1]])
    found[late] *= (before / closes)[late]
    found[random.random(closes.shape) < MISSING] = np.nan
    return found


def plant(times: list[Floats], symbols: tuple[Instrument, ...], random: np.random.Generator) -> list[Plant]:
    """Let one of the further venues leave the others once a day from the second on; changes `times`."""
    planted = []
    for at, of in enumerate(symbols):
        for day in range(1, len(times[0]) // 1440):
            venue, minute = int(random.integers(len(times))), day * 1440 + int(random.integers(60, 1380))
            times[venue][minute : minute + LASTS, at] *= 1.0 + LEAVES * (1 if random.random() < 0.5 else -1)
            planted.append(Plant(of.symbol, OTHERS[venue], minute))
    return planted


def listed(ticks: TickBatch, times: list[Floats]) -> TickBatch:
    """The tape with the further venues' bars, each beside that which it is made from."""
    bars = np.flatnonzero(ticks.kind == Kind.BAR)
    minute = (ticks.ts_event_ns[bars] - ticks.ts_event_ns[bars[0]]) // MINUTE_NS
    parts, places, symbols = [ticks], [np.arange(len(ticks)) * (len(times) + 1)], list(ticks.symbols)
    for at, venue in enumerate(OTHERS[: len(times)]):
        factor = times[at][minute, ticks.symbol_id[bars]]
        there = bars[np.isfinite(factor)]
        columns = ticks.take(there).columns()
        scaled = {name: columns[name] * factor[np.isfinite(factor)] for name in ("open", "high", "low", "close")}
        names = tuple(Instrument(venue, of.symbol) for of in ticks.symbols)
        parts.append(make_batch(names, len(there), **(columns | scaled)))
        places.append(there * (len(times) + 1) + at + 1)
        symbols += names
    whole = concat(parts).take(np.argsort(np.concatenate(places)))
    columns = whole.columns() | {"offset": np.arange(len(whole))}
    return make_batch(whole.symbols, len(whole), **columns)


def pieces(ticks: TickBatch) -> Iterator[TickBatch]:
    """The tape in batches."""
    for start in range(0, len(ticks), 100_000):
        yield ticks.take(slice(start, start + 100_000))


def detect(seed: int, others: int, leaves: bool) -> tuple[list[Alert], list[Plant], int]:
    """The rule's revisions on one market, what was planted, and the tape's first minute."""
    random = np.random.default_rng(seed)
    ticks = concat(simulated.simulate(replace(simulated.null_config("crypto", SIZE), seed=seed)))
    closes = grid(ticks)
    times = [apart(closes, random) for _ in range(others)]
    planted = plant(times, ticks.symbols, random) if leaves else []
    rules = compile_rules("venues", tuple(Rule(name=n, detector=n) for n in (RULE, "bad_print")))
    found = run(pieces(listed(ticks, times)), rules, load_calibration(None))
    start_ns = int(ticks.ts_event_ns[ticks.kind == Kind.BAR][0])
    return [a for a in found.revisions if a.rule == RULE and a.change == "fired"], planted, start_ns


def row(others: int, leaves: bool) -> dict[str, Any]:
    """One row: all seeds together."""
    counts, hits, right, trials, delays = [], 0, 0, 0, []
    for seed in SEEDS:
        opened, planted, start_ns = detect(seed + 10 * others, others, leaves)
        left = list(opened)
        for one in planted:
            begin_ns = start_ns + (one.minute + 1) * MINUTE_NS
            mine = [a for a in left if a.symbol == one.symbol and 0 <= a.onset_ns - begin_ns <= (LASTS + 5) * MINUTE_NS]
            hits += bool(mine)
            right += any(a.venue == one.venue for a in mine)
            delays += [(mine[0].onset_ns - begin_ns) / MINUTE_NS] if mine else []
            left = [a for a in left if a not in mine]
        trials += len(planted)
        days = [(a.onset_ns - start_ns) // DAY_NS for a in left]
        counts += [sum(d == day for d in days) for day in range(SIZE.null_days)]
    rate, interval = block_rate(counts, [SIZE.null_symbols] * len(counts))
    found: dict[str, Any] = {"venues": others + 1, "leaves": leaves, "name_days": SIZE.null_symbols * len(counts)}
    found |= {"false": sum(counts), "false_per_day": rate, "interval": interval}
    if leaves:
        found |= {"found": hits, "of": trials, "recall_interval": clopper_pearson(hits, trials)}
        found |= {"right_venue": right, "median_delay_min": median(delays)}
    return found


def report(rows: list[dict[str, Any]]) -> str:
    """A line a row."""
    lines = []
    for r in rows:
        low, high = r["interval"]
        false = f"{r['false']} in {r['name_days']} name-days: {r['false_per_day']:.4f} ({low:.4f} to {high:.4f})"
        line = f"| {r['venues']} | {false} |"
        if r["leaves"]:
            low, high = r["recall_interval"]
            share = f"{r['found']}/{r['of']} = {r['found'] / r['of']:.3f} ({low:.3f} to {high:.3f})"
            line += f" {share} | {r['right_venue']} | {r['median_delay_min']:g} |"
        else:
            line += " nothing planted | - | - |"
        lines.append(line)
    return "\n".join(
        table.as_table("| venues | false | found | of the venue that left | median delay, minutes |", lines)
    )


if __name__ == "__main__":
    measured = [row(others, leaves) for leaves in (False, True) for others in (1, 2)]
    (RESULTS / "venues.json").write_text(json.dumps(measured, indent=1) + "\n")
    print(report(measured))
