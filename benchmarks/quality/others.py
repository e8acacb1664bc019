"""What each detector that is not in `default` would disturb people with: `python benchmarks/quality/others.py`.

All of them run with their defaults beside `bad_print` in one engine, over all bars and trade tapes that the default
rules are measured on and a part of the unplanted markets. An incident of a rule is its alerts whose onsets lie within
15 minutes of the one before, without those that were withdrawn; it is *new* where no incident of the default rules lies
within 15 minutes of it. Where nothing is planted all are false; on real data nobody says which are. Prints a table and
writes `results/others.json`. `peg_deviation` has no row: no instrument here has a peg, and without one it is silent.
Neither has `venue_divergence`: no name here has two venues (`venues.py` makes some).
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.quality import bars, pumps, simulated, table  # noqa: E402 (the path must be set first)
from tapewatch.alerts.episodes import INCIDENT_NS  # noqa: E402
from tapewatch.detection.backtest.run import Found, run_trials  # noqa: E402
from tapewatch.detection.detectors import DETECTORS  # noqa: E402
from tapewatch.detection.engine import Engine  # noqa: E402
from tapewatch.detection.rules import Rule, RuleSet, compile_rules  # noqa: E402
from tapewatch.model.alerts import Alert, Incident  # noqa: E402
from tapewatch.model.ticks import TickBatch  # noqa: E402
from tapewatch.runtime.config.rules import load_preset  # noqa: E402
from tapewatch.runtime.embedded import load_calibration  # noqa: E402

RESULTS = Path(__file__).parent / "results"
LEFT_OUT = ("zscore", "sma", "peg_deviation", "venue_divergence")  # the prototype's two; what needs more than a tape
SIZE = simulated.Size(null_symbols=100, null_days=10)
Corpus = tuple[str, float, Iterator[list[TickBatch]]]
"""Name, symbol-days, tapes."""


def others(default: RuleSet) -> tuple[str, ...]:
    """Detectors that no default rule uses."""
    used = {rule.detector.name for rule in default.rules}
    return tuple(d.name for d in DETECTORS if d.name not in used and d.name not in LEFT_OUT)


def corpora() -> Iterator[Corpus]:
    """Real bars and trades where they are beside the checkout; unplanted markets as in `simulated.null`."""
    if bars.DATA.is_dir():
        for name, venue in (("stock files", "XNAS"), ("coin files", "binance")):
            sources = [s for s in bars.SOURCES if s.venue == venue]
            tapes = [bars.read(s) for s in sources]
            yield name, sum(len(bars.trading_days(s, t)) for s, t in zip(sources, tapes, strict=True)), iter(tapes)
    if pumps.PUMPS.is_dir():
        found = pumps.read(pumps.PUMPS)
        yield "pump tapes", sum(t.days + 0.5 for t in found), (t.batches for t in found)
    for kind in simulated.MARKETS:
        config = simulated.null_config(kind, SIZE)
        yield f"unplanted {kind}", SIZE.null_symbols * SIZE.null_days, iter([simulated.simulate(config)])


def incidents(revisions: Sequence[Alert], rule: str) -> list[Alert]:
    """The first alert of each incident of one rule."""
    withdrawn = {a.alert_id for a in revisions if a.change == "retracted"}
    opened = [a for a in revisions if a.rule == rule and a.change == "fired" and a.alert_id not in withdrawn]
    first: list[Alert] = []
    last: dict[tuple[str, str], int] = {}
    for alert in sorted(opened, key=lambda a: a.onset_ns):
        of = (alert.venue, alert.symbol)
        if of not in last or alert.onset_ns - last[of] > INCIDENT_NS:
            first.append(alert)
        last[of] = alert.onset_ns
    return first


def is_new(alert: Alert, told: Iterable[Incident]) -> bool:
    """Would the default rules have said nothing near it?"""
    quality = alert.category == "data_quality"
    return not any(
        (i.venue, i.symbol) == (alert.venue, alert.symbol)
        and (i.category == "data_quality") == quality
        and i.onset_ns - INCIDENT_NS <= alert.onset_ns <= i.updated_ns + INCIDENT_NS
        for i in told
    )


def measure() -> list[dict[str, Any]]:
    """A row a corpus and detector."""
    default, calibration = load_preset("default").rules, load_calibration(None)
    names = others(default)
    tried = compile_rules("others", tuple(Rule(name=n, detector=n) for n in (*names, "bad_print")))
    rows = []
    for corpus, days, tapes in corpora():
        told: list[Incident] = []
        opened: dict[str, list[Alert]] = {name: [] for name in names}
        for tape in tapes:
            (one, other), _ = run_trials(tape, [Engine(default, calibration), Engine(tried, calibration)])
            found: Found = one.found()
            told += found.incidents
            for name in names:
                opened[name] += incidents(other.revisions, name)
        print(f"{corpus}: {len(told)} incidents of the default rules", file=sys.stderr)
        rows += [_row(corpus, days, name, opened[name], told) for name in names]
    return rows


def _row(corpus: str, days: float, name: str, opened: Sequence[Alert], told: Sequence[Incident]) -> dict[str, Any]:
    new = [a for a in opened if is_new(a, told)]
    return {
        "corpus": corpus,
        "symbol_days": round(days, 1),
        "rule": name,
        "incidents": len(opened),
        "new": len(new),
        "default": len(told),
        "listed": [f"{a.onset} {a.symbol} {a.severity} {a.message}" for a in new[:40]],
    }


def report(rows: Sequence[dict[str, Any]]) -> str:
    """One line a detector, one column a corpus: incidents, new ones, and new ones a symbol and day."""
    columns = list(dict.fromkeys((r["corpus"], r["symbol_days"]) for r in rows))
    cells = {(r["rule"], r["corpus"]): r for r in rows}
    head = "| rule |" + "".join(f" {name} ({days:g} symbol-days) |" for name, days in columns)
    lines = []
    for rule in dict.fromkeys(r["rule"] for r in rows):
        told = (cells[rule, name] for name, _ in columns)
        lines.append(
            f"| `{rule}` |"
            + "".join(f" {r['incidents']}, {r['new']} new: {r['new'] / r['symbol_days']:.4f} |" for r in told)
        )
    return "\n".join(table.as_table(head, lines))


if __name__ == "__main__":
    measured = measure()
    (RESULTS / "others.json").write_text(json.dumps(measured, indent=1) + "\n")
    print(report(measured))
