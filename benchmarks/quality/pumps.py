"""Trade tapes around announced pump-and-dumps: found, disturbed and how soon, over all default rules together.

One coin is left out at a time: the strength at which `pump_dump` opens is chosen on the tapes of the other coins, and
reported on that coin's. The row of the shipped configuration stands beside, and the naive rule with its threshold tuned
in sample.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from msgspec.structs import replace

from benchmarks.quality.bars import DATA
from benchmarks.quality.baseline import naive
from tapewatch.alerts.bootstrap import Interval, block_rate
from tapewatch.alerts.intervals import clopper_pearson
from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import Matching, score
from tapewatch.detection.backtest.moves import moved
from tapewatch.detection.backtest.run import Found, run
from tapewatch.detection.backtest.summary import unlabelled
from tapewatch.detection.calendars import venue_info
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.rules import RuleSet, compile_rules
from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

PUMPS = DATA / "trades" / "pump"
WARM_NS = 12 * HOUR_NS
MATCHING = Matching(
    tolerance_ns=MINUTE_NS,
    neutral_before_ns=30 * MINUTE_NS,
    neutral_after_ns=2 * HOUR_NS,
    neutral_kinds=frozenset({"pump_dump"}),
)
STRENGTHS = (4.2, 4.4, 4.6, 4.8, 5.0, 5.2)
NAIVE = (40.0, 80.0, 160.0)
RECALL, BUDGET = 0.95, 0.05
ALLOWED_RISE = 1.02


@dataclass(frozen=True, slots=True)
class Tape:
    """One file: its coin, its batches, and the onset of its pump; None where the price did not move."""

    name: str
    coin: str
    batches: list[TickBatch]
    onset_ns: int | None
    exact: bool  # the onset was labelled by hand
    begin_ns: int
    end_ns: int

    @property
    def days(self) -> float:
        """Judged, after the warm-up."""
        return (self.end_ns - self.begin_ns - WARM_NS) / DAY_NS


@dataclass(frozen=True, slots=True)
class Seen:
    """What a rule set made of one tape. `false`: (onset, moved 5 % within 5 minutes, rules)."""

    tape: Tape
    found: bool
    delay_s: float | None
    false: tuple[tuple[int, bool, str], ...]
    neutral: int


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


def _first_rise(batches: Sequence[TickBatch], announced_ns: int) -> int | None:
    """The first trade 2 % above the last price before the announcement."""
    times = np.concatenate([b.ts_event_ns for b in batches])
    prices = np.concatenate([b.close for b in batches])
    at = int(np.searchsorted(times, announced_ns))
    above = np.flatnonzero(prices[at:] >= ALLOWED_RISE * prices[at - 1])
    return int(times[at + above[0]]) if above.size else None


def read(folder: Path) -> list[Tape]:
    """The tapes that `events.csv` in the folder lists."""
    tapes = []
    with (folder / "events.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            feed = open_csv(
                [str(folder / row["file"])], CsvSettings(venue="binance"), zone_of=lambda v: venue_info(v).zone
            )
            batches = [batch.ticks for batch in feed.batches(0)]
            exact = bool(row["onset_utc"])
            onset = _ns(row["onset_utc"]) if exact else _first_rise(batches, _ns(row["announced_utc"]))
            trades = [b.ts_event_ns[b.kind == Kind.TRADE] for b in batches]
            begin, end = min(int(t.min()) for t in trades if t.size), max(int(t.max()) for t in trades if t.size)
            moved = row["moved"] == "true"
            tapes.append(Tape(row["file"], row["symbol"], batches, onset if moved else None, exact, begin, end))
    return tapes


def _labels(tape: Tape) -> list[Label]:
    if tape.onset_ns is None:
        return []
    symbol = next(s for b in tape.batches for s in b.symbols)
    return [
        Label(
            event=0,
            kind="pump_dump",
            is_trap=False,
            venue=symbol.venue,
            symbol=symbol.symbol,
            onset_ns=tape.onset_ns,
            end_ns=tape.onset_ns,
            direction="rise",
            size=0.0,
            size_times=0.0,
        )
    ]


def judge(tape: Tape, found: Found) -> Seen:
    """Match one run with its tape's label, after the warm-up."""
    begin_ns = tape.begin_ns + WARM_NS
    early = {i.incident_id for i in found.incidents if i.onset_ns < begin_ns}
    revisions = [a for a in found.revisions if a.incident_id not in early]
    card = score(_labels(tape), revisions, MATCHING)
    false = unlabelled(card, found)
    real = moved(tape.batches, false)
    rules: dict[str, set[str]] = defaultdict(set)
    for alert in revisions:
        if alert.change == "fired":
            rules[alert.incident_id].add(alert.rule)
    delays = [d for c in card.classes for d in c.delays_s]
    told = tuple((i.onset_ns, i.incident_id in real, "+".join(sorted(rules[i.incident_id]))) for i in false)
    return Seen(tape, bool(delays), min(delays, default=None), told, sum(f.neutral for f in card.families))


def _with_strength(rules: RuleSet, strength: float) -> RuleSet:
    changed = (
        replace(r.rule, params={**r.rule.params, "strength": strength}) if r.detector.name == "pump_dump" else r.rule
        for r in rules.rules
    )
    return compile_rules(rules.name, tuple(changed))


def summary(seen: Iterable[Seen]) -> dict[str, Any]:
    """Recall, false incidents a pair and day (interval: a bootstrap over days), and the delay where it is exact."""
    judged = list(seen)
    moved = [s for s in judged if s.tape.onset_ns is not None]
    hits = sum(s.found for s in moved)
    delays = [s.delay_s for s in moved if s.delay_s is not None and s.tape.exact]
    days = sum(s.tape.days for s in judged)
    false = [f for s in judged for f in s.false]
    cells, real = (
        [c for s in judged for c in _by_day(s, (True, False))],
        [c for s in judged for c in _by_day(s, (True,))],
    )
    calm = [all_of - moved for all_of, moved in zip(cells, real, strict=True)]
    return {
        "pumps": len(moved),
        "found": hits,
        "recall_interval": clopper_pearson(hits, len(moved)),
        "missed": [s.tape.name for s in moved if not s.found],
        "pair_days": round(days, 1),
        "false": len(false),
        "false_per_day": len(false) / days,
        "interval": _interval(cells),
        "moved": {"incidents": sum(real), "per_day": sum(real) / days, "interval": _interval(real)},
        "calm": {"incidents": sum(calm), "per_day": sum(calm) / days, "interval": _interval(calm)},
        "neutral": sum(s.neutral for s in judged),
        "median_delay_s": median(delays) if delays else None,
        "delays_s": {s.tape.name: s.delay_s for s in moved if s.delay_s is not None},
    }


def _interval(cells: Sequence[int]) -> Interval:
    return block_rate(cells, [1.0] * len(cells))[1]


def _by_day(seen: Seen, kinds: tuple[bool, ...]) -> list[int]:
    begin = seen.tape.begin_ns + WARM_NS
    counts = [0] * max(1, round(seen.tape.days))
    for onset, has_moved, _ in seen.false:
        counts[min((onset - begin) // DAY_NS, len(counts) - 1)] += has_moved in kinds
    return counts


def _choose(by_strength: dict[float, list[Seen]], coin: str) -> float:
    """On the other coins: of the strengths that reach both targets the one in the middle, farthest from missing either;
    where none does, the one of the best recall within the budget, else the strictest."""
    others = {s: summary(x for x in seen if x.tape.coin != coin) for s, seen in by_strength.items()}
    within = [s for s, row in others.items() if row["false_per_day"] <= BUDGET]
    good = [s for s in within if others[s]["found"] >= RECALL * others[s]["pumps"]]
    if good:
        return good[len(good) // 2]
    return max(within, key=lambda s: others[s]["found"]) if within else max(by_strength)


def measure(rules: RuleSet, calibration: Calibration, folder: Path = PUMPS) -> dict[str, Any]:
    """All rows about pumps."""
    tapes = read(folder)

    def on(rule_set: RuleSet) -> list[Seen]:
        return [judge(tape, run(tape.batches, rule_set, calibration)) for tape in tapes]

    by_strength = {s: on(_with_strength(rules, s)) for s in STRENGTHS}
    coins = sorted({t.coin for t in tapes})
    chosen = {coin: _choose(by_strength, coin) for coin in coins}
    left_out = [s for coin in coins for s in by_strength[chosen[coin]] if s.tape.coin == coin]
    shipped = on(rules)
    return {
        "left_out": summary(left_out),
        "chosen": chosen,
        "shipped": summary(shipped),
        "by_coin": {coin: _coin(s for s in left_out if s.tape.coin == coin) for coin in coins},
        "by_strength": {s: _short(summary(seen)) for s, seen in by_strength.items()},
        "false": [
            f"{s.tape.name} {datetime.fromtimestamp(ns / SECOND_NS, UTC):%Y-%m-%d %H:%M:%S} {names}"
            + (" moved 5 %" if moved else "")
            for s in shipped
            for ns, moved, names in s.false
        ],
        "naive": _naive(on),
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {k: row[k] for k in ("pumps", "found", "false_per_day", "median_delay_s")}


def _coin(seen: Iterable[Seen]) -> dict[str, Any]:
    row = summary(seen)
    return {k: row[k] for k in ("pumps", "found", "pair_days", "false", "false_per_day")}


def _naive(on: Callable[[RuleSet], list[Seen]]) -> dict[str, Any]:
    """The naive rule on trades, at the threshold that finds most within the budget, else at the quietest."""
    rows = {t: summary(on(naive(t))) for t in NAIVE}
    within = {t: r for t, r in rows.items() if r["false_per_day"] <= BUDGET} or {max(rows): rows[max(rows)]}
    best = max(within, key=lambda t: within[t]["found"])
    return {"threshold": best, **_short(within[best])}
