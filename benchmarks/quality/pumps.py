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

from benchmarks.quality.bars import DATA, moved_five_percent
from benchmarks.quality.baseline import naive
from tapewatch.alerts.bootstrap import block_rate
from tapewatch.alerts.intervals import clopper_pearson
from tapewatch.detection.backtest.run import Found, run
from tapewatch.detection.calendars import venue_info
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.rules import RuleSet, compile_rules
from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.alerts import Alert
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS

PUMPS = DATA / "trades" / "pump"
WARM_NS = 12 * HOUR_NS
NEAR_NS, BEFORE_NS, AFTER_NS = 60 * SECOND_NS, 30 * MINUTE_NS, 2 * HOUR_NS
STRENGTHS = (4.2, 4.4, 4.6, 4.8, 5.0)
NAIVE = (40.0, 80.0, 160.0)
BUDGET = 0.05
ALLOWED_RISE = 1.02
TELLING = ("fired", "refired", "worsened")


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


def _tells(alert: Alert, onset_ns: int) -> bool:
    return alert.change in TELLING and alert.direction == "rise" and abs(alert.ts_event_ns - onset_ns) <= NEAR_NS


def judge(tape: Tape, found: Found) -> Seen:
    """Match one run with its tape's label."""
    price = {i.incident_id: i for i in found.price()}
    alerts = [a for a in found.revisions if a.incident_id in price]
    onset = tape.onset_ns
    finds = [a.ts_event_ns for a in alerts if onset is not None and _tells(a, onset)]
    rules: dict[str, set[str]] = defaultdict(set)
    for alert in alerts:
        if alert.change == "fired":
            rules[alert.incident_id].add(alert.rule)
    false, neutral = [], 0
    for incident in price.values():
        if incident.onset_ns < tape.begin_ns + WARM_NS:
            continue
        if onset is not None and onset - BEFORE_NS <= incident.onset_ns <= onset + AFTER_NS:
            neutral += 1
            continue
        moved = moved_five_percent(tape.batches, incident.onset_ns)
        false.append((incident.onset_ns, moved, "+".join(sorted(rules[incident.incident_id]))))
    delay = (min(finds) - onset) / SECOND_NS if finds and onset is not None else None
    return Seen(tape, bool(finds), delay, tuple(false), neutral)


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
    cells = [c for s in judged for c in _by_day(s)]
    return {
        "pumps": len(moved),
        "found": hits,
        "recall_interval": clopper_pearson(hits, len(moved)),
        "missed": [s.tape.name for s in moved if not s.found],
        "pair_days": round(days, 1),
        "false": len(false),
        "false_per_day": len(false) / days,
        "interval": block_rate(cells, [1.0] * len(cells))[1],
        "false_moved_5pct": sum(moved for _, moved, _ in false),
        "neutral": sum(s.neutral for s in judged),
        "median_delay_s": median(delays) if delays else None,
        "delays_s": {s.tape.name: s.delay_s for s in moved if s.delay_s is not None},
    }


def _by_day(seen: Seen) -> list[int]:
    begin = seen.tape.begin_ns + WARM_NS
    counts = [0] * max(1, round(seen.tape.days))
    for onset, _, _ in seen.false:
        counts[min((onset - begin) // DAY_NS, len(counts) - 1)] += 1
    return counts


def _choose(by_strength: dict[float, list[Seen]], coin: str) -> float:
    """On the other coins: the strengths with the best recall within the budget, and of these the one in the middle."""
    scored = {}
    for strength, seen in by_strength.items():
        others = summary(s for s in seen if s.tape.coin != coin)
        if others["false_per_day"] <= BUDGET:
            scored[strength] = others["found"]
    if not scored:
        return max(by_strength)
    best = [s for s, hits in scored.items() if hits == max(scored.values())]
    return best[len(best) // 2]


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
