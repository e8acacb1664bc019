"""What the report of a backtest says, as plain data for its layout."""

from collections.abc import Sequence
from math import isfinite
from zoneinfo import ZoneInfo

from tapewatch.detection.backtest.result import (
    BacktestResult,
    Difference,
    LabelScore,
    RateOf,
    ShareOf,
    SideResult,
)
from tapewatch.model.times import format_rfc3339, parse_rfc3339
from tapewatch.reports.document import Json, figure_text
from tapewatch.reports.formats.pdf import compile_pdf
from tapewatch.reports.incidents import Figure
from tapewatch.reports.times import LocalTimes
from tapewatch.reports.words import count, plain, sentence

SYMBOLS, MISSED, DIFFERENT = 15, 40, 40
MARK = "backtest"


def backtest_pdf(result: BacktestResult, figures: Sequence[Figure]) -> bytes:
    """The report as a PDF. The same result gives the same bytes."""
    generated_ns = parse_rfc3339(result.generated)
    return compile_pdf(backtest_document(result, figures), generated_ns, "backtest.typ")


def backtest_document(result: BacktestResult, figures: Sequence[Figure]) -> Json:
    """Everything that the layout prints: texts from outside are single lines of bounded length."""
    sides = [result.a] if result.b is None else [result.a, result.b]
    local = LocalTimes(ZoneInfo("UTC"))
    return {
        "mark": MARK,
        "title": "Backtest" if result.b is None else "Backtest: A against B",
        "period": f"{result.first} to {result.last}" if result.first else "no tick was judged",
        "generated_utc": result.generated,
        "version": result.tapewatch,
        "tiles": _tiles(result, sides),
        "lead": _lead(result, sides),
        "facts": _facts(result, sides),
        "sides": [_side(letter, side) for letter, side in zip("AB", sides, strict=False)],
        "rates": _rates(sides),
        "rates_note": "Rate and 95 % interval, by a bootstrap over days. Withdrawn incidents are not counted.",
        "scored": result.labels is not None,
        "labels_note": _labels_note(result),
        "compared": result.difference is not None,
        "difference_note": _difference_note(result),
        "differences": _differences(result),
        "figures": [figure_text(k, figure, local) for k, figure in enumerate(figures, start=1)],
        "figures_note": f"Charts of {count(len(figures), 'incident')} about prices or volumes, the most severe first"
        + ("." if result.b is None else "; those that only one rule set would have told come before the others."),
        "method": METHOD,
    }


def _tiles(result: BacktestResult, sides: Sequence[SideResult]) -> list[list[str]]:
    tiles = [[f"{result.symbol_days:,}", "symbol-days"]]
    for letter, side in zip("AB", sides, strict=False):
        tiles.append([f"{side.price.incidents:,}", f"price incidents, {letter}"])
        if side.score is not None and side.score.recall.value is not None:
            tiles.append([f"{side.score.recall.value:.0%}", f"of labels found, {letter}"])
    return tiles


def _lead(result: BacktestResult, sides: Sequence[SideResult]) -> str:
    told = " ".join(
        f"{plain(side.name, 60)} would have told {count(side.price.incidents, 'incident')} of price or volume and "
        f"{count(side.data_quality.incidents, 'incident')} of data quality."
        for side in sides
    )
    return f"{result.note} On {count(result.symbol_days, 'symbol-day')} of history {told}"


def _facts(result: BacktestResult, sides: Sequence[SideResult]) -> list[list[str | list[str]]]:
    history = [plain(name.rpartition("/")[2] or name, 80) for name in result.history[:12]]
    facts: list[list[str | list[str]]] = [
        ["History", history + ([f"and {len(result.history) - 12} more"] if len(result.history) > 12 else [])],
        ["Records", f"{result.records:,} (heartbeats among them), {result.unreadable:,} could not be read"],
        ["Symbols", f"{result.symbols:,}"],
    ]
    for letter, side in zip("AB", sides, strict=False):
        words = f"{side.name} ({side.source}), fingerprint {side.fingerprint}, calibration: {side.calibration}"
        facts.append([f"Rules {letter}", plain(words, 300)])
    if result.labels is not None:
        facts.append(["Labels", f"{result.labels:,}, {result.labels_outside:,} more lie outside of the history"])
    facts.append(["Times", "UTC; days are those of the venue"])
    return facts


def _side(letter: str, side: SideResult) -> Json:
    missed = side.score.missed if side.score else []
    return {
        "letter": letter,
        "name": plain(side.name, 60),
        "rules": [[plain(r.rule, 40), r.version, r.alerts, r.incidents, r.alone] for r in side.rules],
        "symbols": [
            [plain(f"{s.venue}:{s.symbol}", 30), s.days, s.price, s.data_quality] for s in side.symbols[:SYMBOLS]
        ],
        "symbols_left_out": max(0, len(side.symbols) - SYMBOLS),
        "busiest": [[d.day, d.price, d.data_quality] for d in side.busiest],
        "scores": _scores(side.score) if side.score else [],
        "missed": [
            [format_rfc3339(m["onset_ns"]), plain(m["symbol"], 24), plain(m["kind"], 24), m["direction"]]
            for m in missed[:MISSED]
        ],
        "missed_left_out": max(0, len(missed) - MISSED),
    }


def rate_text(rate: RateOf) -> str:
    """`12 = 0.034 [0.020, 0.049]`."""
    if not isfinite(rate.per_symbol_day):
        return f"{rate.incidents:,}"
    low, high = rate.interval
    return f"{rate.incidents:,} = {rate.per_symbol_day:.3f} [{low:.3f}, {high:.3f}]"


def share_text(share: ShareOf) -> str:
    """`19/20 = 0.950 [0.751, 0.999]`."""
    if share.value is None:
        return "0/0"
    low, high = share.interval
    return f"{share.successes}/{share.trials} = {share.value:.3f} [{low:.3f}, {high:.3f}]"


def _rates(sides: Sequence[SideResult]) -> list[list[str | list[str]]]:
    return [
        ["Price and volume", [rate_text(s.price) for s in sides]],
        ["at high or above", [rate_text(s.price_high) for s in sides]],
        ["Data quality", [rate_text(s.data_quality) for s in sides]],
        ["Withdrawn", [f"{s.retracted:,}" for s in sides]],
    ]


def _scores(score: LabelScore) -> list[list[str]]:
    rows = [[f"Recall, {plain(k.kind, 40)}", share_text(k.recall), _delay(k.median_delay_s)] for k in score.kinds]
    rows += [[f"Told later, {plain(k.kind, 36)}", f"{k.late:,}", ""] for k in score.kinds if k.late]
    rows.append(["Recall, all", share_text(score.recall), ""])
    rows += [[f"Precision, {f.replace('_', ' ')}", share_text(s), ""] for f, s in score.precision.items()]
    rows += [[f"Trap {plain(k, 40)} fired", share_text(s), ""] for k, s in score.traps.items()]
    rows.append(["Unlabelled, moved 5 % in 5 min", rate_text(score.unlabelled_moved), ""])
    rows.append(["Unlabelled, did not", rate_text(score.unlabelled_calm), ""])
    rows.append(["Neither true nor false", f"{score.neutral:,}", ""])
    return rows


def _delay(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:,.0f} s"


def _labels_note(result: BacktestResult) -> str:
    return (
        f"A label is found where an alert opens, fires again or worsens in its direction from {result.tolerance_s:g} s "
        f"before its onset to {result.tolerance_s:g} s after it; what is told after that and before the label's end is "
        "late: no find, and not false. Delays are event time from the onset, negative "
        "before it. From 30 minutes before a pump's onset to 2 hours after it, further incidents are neither true nor "
        "false. What is on the history and not in the labels counts as false: labels have errors."
    )


def _difference_note(result: BacktestResult) -> str:
    if result.difference is None:
        return ""
    return (
        f"{count(result.difference.both, 'incident')} of B have their like in A: of the same symbol and family, with "
        "onsets within 15 minutes of each other, or one on while the other begins."
    )


def _differences(result: BacktestResult) -> list[Json]:
    found: Difference | None = result.difference
    if found is None or result.b is None:
        return []
    parts = (("A", result.a, found.only_a), ("B", result.b, found.only_b))
    return [_only(letter, side, frozenset(ids)) for letter, side, ids in parts]


def _only(letter: str, side: SideResult, ids: frozenset[str]) -> Json:
    mine = sorted((i for i in side.incidents if i.incident_id in ids), key=lambda i: (-i.score, i.onset_ns))
    rows = [
        [i.onset, plain(i.symbol, 20), plain(i.venue, 12), i.severity, sentence(i.message)] for i in mine[:DIFFERENT]
    ]
    return {"letter": letter, "total": len(mine), "rows": rows}


METHOD = [
    [
        "What ran",
        "The engine that runs live, with the same rules, calibration, sessions and order of records, over a history "
        "instead of a feed. Every tick is judged against earlier ticks only. Nothing was stored beside the live "
        "alerts, and nobody was notified.",
    ],
    [
        "Incidents",
        "The unit is the incident: alerts of one venue and symbol whose onsets lie within 15 minutes. Incidents of "
        "price and volume are counted together, those of data quality apart; withdrawn ones are neither.",
    ],
    [
        "Intervals",
        "Shares have exact 95 % intervals (Clopper and Pearson 1934). Rates have one by a bootstrap over blocks of a "
        "day (2,000 drawings), since incidents of one day have causes in common; where nothing was counted its upper "
        "end is 3 / n.",
    ],
    [
        "Limits",
        "A history that was used to choose thresholds says little of the future: report on days and symbols that "
        "tuning did not see. Rules start cold at its beginning.",
    ],
]
