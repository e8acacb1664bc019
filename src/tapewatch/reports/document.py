"""What the paged report says, as plain data: words, numbers, table rows and pictures, without any layout."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from tapewatch import __version__
from tapewatch.detection.calendars import Phase, phases_at, venue_info
from tapewatch.model.alerts import DISPOSITIONS, SEVERITIES, Alert, Case, Severity, traded_of
from tapewatch.model.market import Group
from tapewatch.model.times import SECOND_NS, format_rfc3339
from tapewatch.reports.content import CATEGORIES, OPEN_STATES, Coverage, Summary, Tally, severity_key
from tapewatch.reports.incidents import Figure
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.times import LocalTimes
from tapewatch.reports.words import MINUS, WIDE, breakable, count, percent, plain, price, rarity, sentence

Json = dict[str, Any]  # what the template reads: strings, numbers, lists and objects only
NARROW = 9  # characters without a space that fit a narrow column
TOP_ALERTS, TOP_SYMBOLS, TOP_DAYS, MOST_NAMES, MOST_GROUPS = 10, 15, 10, 24, 100
DISPOSITION_NAMES = {
    "manipulation_suspected": "Manipulation suspected",
    "news": "News",
    "market_move": "Market move",
    "data_error": "Data error",
    "expected": "Expected",
    "open": "Not decided yet",
}


def document(
    request: ReportRequest,
    summary: Summary,
    figures: Sequence[Figure],
    coverage: Coverage | None,
    groups: Iterable[Group] = (),
    *,
    zone: ZoneInfo,
    generated_ns: int,
) -> Json:
    """Everything that the template prints. Outside texts are single lines of bounded length; all else is ours."""
    local = LocalTimes(zone)
    generated_ns = generated_ns // SECOND_NS * SECOND_NS
    moves = iter(groups)
    return {
        "title": plain(request.title or "Market surveillance report", 120),
        "period": _period(request, local),
        "generated": f"{local.text(generated_ns, '%Y-%m-%d %H:%M:%S')} {local.name(generated_ns)}",
        "generated_utc": format_rfc3339(generated_ns),
        "generated_s": generated_ns // SECOND_NS,
        "zone": plain(request.zone, 60),
        "version": __version__,
        "facts": _facts(request, summary, coverage, local, generated_ns),
        "empty": summary.total == 0,
        "lead": _lead(summary),
        "tiles": _tiles(summary),
        "severities": _severities(summary),
        "rules": _ranking(summary.by_rule, len(summary.by_rule)),
        "symbols": _ranking(summary.by_symbol, TOP_SYMBOLS),
        "days": [[day, n] for day, n in summary.busiest_days(TOP_DAYS)],
        "days_left_out": max(0, len(summary.by_day) - TOP_DAYS),
        "dispositions": _dispositions(summary),
        "worst": [_worst(alert, local) for alert in _top(summary)],
        "figures": [figure_text(k, figure, local) for k, figure in enumerate(figures, start=1)],
        "groups": _groups(islice(moves, MOST_GROUPS), local),
        "groups_note": _groups_note(sum(1 for _ in moves)),
        "figures_note": _figures_note(summary, len(figures)),
        "tables": _tables(summary, local),
        "table_note": _table_note(summary),
        "method": _method(summary),
    }


def _period(request: ReportRequest, local: LocalTimes) -> str:
    def moment(ts_ns: int) -> str:
        return f"{local.text(ts_ns, '%Y-%m-%d %H:%M:%S')} {local.name(ts_ns)}"

    if request.from_ns is None and request.to_ns is None:
        return "everything on record"
    if request.from_ns is None:
        return f"up to {moment(request.to_ns or 0)}"
    begin = moment(request.from_ns)
    return f"from {begin}" if request.to_ns is None else f"{begin} to {moment(request.to_ns)}"


def _minute(ts_ns: int, local: LocalTimes) -> str:
    return f"{local.text(ts_ns, '%Y-%m-%d %H:%M')} {local.name(ts_ns)}"


def _facts(
    request: ReportRequest, summary: Summary, coverage: Coverage | None, local: LocalTimes, generated_ns: int
) -> list[list[str | list[str]]]:
    chosen = [
        f"venue {request.venue}" if request.venue else "all venues",
        f"symbol {request.symbol}" if request.symbol else "all symbols",
        f"severity {', '.join(request.severity)}" if request.severity else "all severities",
    ]
    facts: list[list[str | list[str]]] = [
        ["Period", f"{_period(request, local)}; alerts belong to it by their onset, the end is excluded"],
        ["Selection", plain("; ".join(chosen), 300)],
    ]
    if summary.first_onset_ns is not None and summary.last_onset_ns is not None:
        first, last = (_minute(ts, local) for ts in (summary.first_onset_ns, summary.last_onset_ns))
        facts.append(["Onsets", first if first == last else f"the first at {first}, the last at {last}"])
    if coverage is not None:
        facts.append(["Instruments watched", _names(coverage.instruments)])
        facts.append(["Rules in force", _names(coverage.rules)])
        if coverage.records is not None:
            facts.append(["Records examined", f"{coverage.records:,}"])
    elif summary.total:
        names = [f"{rule} ({', '.join(sorted(v))})" for rule, v in sorted(summary.rule_versions.items())]
        facts.append(["Symbols with alerts", _names(summary.by_symbol)])
        facts.append(["Rules with alerts", _names(names)])
    facts.append(["Generated", f"{format_rfc3339(generated_ns)} by tapewatch {__version__}"])
    clock = "UTC" if request.zone == "UTC" else f"{plain(request.zone, 60)} unless marked UTC"
    facts.append(["Times", clock])
    return facts


def _names(names: Iterable[str]) -> list[str]:
    """At most `MOST_NAMES` names in alphabetical order, and how many more there are; a name is never broken."""
    ordered = sorted(names)
    more = [f"and {len(ordered) - MOST_NAMES:,} more"] if len(ordered) > MOST_NAMES else []
    return [breakable(plain(name, 60), WIDE) for name in ordered[:MOST_NAMES]] + more or ["none"]


def _lead(summary: Summary) -> str:
    if not summary.total:
        return "No alert was raised in this period for this selection."
    venues = {name.partition(":")[0] for name in summary.by_symbol}
    severe = [f"{summary.by_severity[s]:,} {s}" for s in reversed(SEVERITIES) if summary.by_severity[s]]
    lead = (
        f"In this period {count(summary.total, 'alert')} in {count(summary.incidents, 'incident')} came about on "
        f"{count(len(summary.by_symbol), 'symbol')} of {count(len(venues), 'venue')}: {', '.join(severe)}."
    )
    quality = summary.by_category.get("data_quality", Tally()).total
    if quality:
        lead += (
            f" The number includes {count(quality, 'alert')} on the quality of the data, listed apart from the others."
        )
    if summary.by_state["retracted"]:
        lead += f" It includes {count(summary.by_state['retracted'], 'retracted alert')}, kept for the record."
    if summary.provisional:
        lead += (
            f" {count(summary.provisional, 'alert')} had not ended when this report was made: figures are provisional."
        )
    return lead


def _tiles(summary: Summary) -> list[list[str]]:
    undecided = summary.by_disposition["open"]
    return [
        [f"{summary.incidents:,}", "incidents"],
        [f"{summary.total:,}", "alerts"],
        [f"{summary.by_severity['critical']:,}", "critical"],
        [f"{summary.by_severity['high']:,}", "high"],
        [f"{undecided:,}", "not decided yet"],
    ]


def _severities(summary: Summary) -> list[Json]:
    rows = []
    for severity in reversed(SEVERITIES):
        kinds = [summary.by_category.get(c, Tally()).by_severity[severity] for c in CATEGORIES]
        rows.append({"severity": severity, "kinds": kinds, "total": summary.by_severity[severity]})
    return rows


def _ranking(tallies: Mapping[str, Tally], most: int) -> Json:
    """The tallies with the most alerts; what is left out is one row of its own, so that the sum is the total. It has no
    bar: a sum beside single names would be longer than the page is wide."""
    ordered = sorted(tallies.items(), key=lambda item: (-item[1].total, item[0]))
    rows = [{"name": plain(name, 32), "total": t.total, "split": _split(t.by_severity)} for name, t in ordered[:most]]
    rest = sum(tally.total for _, tally in ordered[most:])
    if rest:
        rows.append({"name": f"{len(ordered) - most:,} others together", "total": rest, "split": []})
    return {"rows": rows, "most": max((tally.total for _, tally in ordered[:most]), default=0)}


def _split(by_severity: Mapping[Severity, int]) -> list[list[str | int]]:
    return [[s, by_severity[s]] for s in reversed(SEVERITIES) if by_severity.get(s)]


def _dispositions(summary: Summary) -> list[list[str | int]]:
    return [
        [DISPOSITION_NAMES[name], summary.by_disposition[name]]
        for name in (*DISPOSITIONS, "open")
        if summary.by_disposition[name]
    ]


def _top(summary: Summary) -> list[Alert]:
    alerts = (alert for alert, _ in summary.worst if alert.category != "data_quality" and alert.state != "retracted")
    return sorted(alerts, key=severity_key, reverse=True)[:TOP_ALERTS]


def _worst(alert: Alert, local: LocalTimes) -> Json:
    return {
        "onset": local.text(alert.onset_ns, "%Y-%m-%d %H:%M:%S"),
        "symbol": breakable(plain(alert.symbol, 24), NARROW),
        "venue": plain(alert.venue, 16),
        "severity": alert.severity,
        "score": f"{alert.score:.0f}",
        "message": sentence(alert.message),
    }


def figure_text(number: int, figure: Figure, local: LocalTimes) -> Json:
    """A chart with what stands around it."""
    episode, worst = figure.episode, figure.episode.worst
    alerts = [
        [k, local.text(a.onset_ns, "%H:%M:%S"), f"{plain(a.rule, 24)}, {plain(a.alert_type, 14)}", a.severity, _move(a)]
        for k, a in enumerate(figure.alerts, start=1)
    ]
    return {
        "number": number,
        "symbol": plain(worst.symbol, 24),
        "venue": plain(worst.venue, 16),
        "severity": worst.severity,
        "headline": f"{plain(worst.alert_type, 24)} {_move(worst)}".strip(),
        "message": sentence(worst.message),
        "facts": [
            ["Onset", f"{local.text(episode.onset_ns, '%Y-%m-%d %H:%M:%S')} {local.name(episode.onset_ns)}"],
            ["Price before", f"{price(worst.price_before)} {plain(worst.currency, 8)}"],
            ["Extreme", price(worst.price_extreme)],
            ["Last", price(worst.price)],
            ["Venue time", _venue_time(worst.venue, episode.onset_ns)],
            ["Traded last", plain(traded_of(worst) or "volume unknown", 60)],
            ["Status", _status(worst)],
            ["Score", f"{worst.score:.0f}"],
            ["Detected", _detected(worst.timestamp_detection)],
            ["Baseline", f"{worst.health.phase_bars:,} bars, {plain(worst.health.source, 20).replace('_', ' ')}"],
            ["Decision", _decision(figure.episode.case)],
            ["Holes", f"{worst.health.holes:,}"],
            ["Threshold", f"{worst.statistic} {worst.value:.4g} against {worst.threshold:.4g}".replace("-", MINUS)],
            ["Rarity", rarity(worst.rarity_days)],
            ["Last event", _moment(worst.ts_event_ns, local)],
            ["Group", figure.group_id[:8] if figure.group_id else "none"],
        ],
        "past": _past(figure),
        "no_reference": figure.no_reference,
        "svg": figure.svg,
        "alerts": alerts,
        "left_out": figure.left_out,
    }


def _venue_time(venue: str, onset_ns: int) -> str:
    """The venue's clock and phase when the incident began."""
    local = LocalTimes(ZoneInfo(venue_info(venue).zone))
    phase = Phase(int(phases_at(venue, np.array([onset_ns]))[0])).name.lower()
    return f"{local.text(onset_ns, '%H:%M:%S')} {local.name(onset_ns)}, {phase}"


def _detected(timestamp: str | None) -> str:
    return "not recorded" if timestamp is None else f"{plain(timestamp[:19].replace('T', ' '), 40)} UTC"


def _moment(ts_ns: int, local: LocalTimes) -> str:
    return f"{local.text(ts_ns, '%H:%M:%S')} {local.name(ts_ns)}"


def _past(figure: Figure) -> str:
    """The symbol's incidents of the 30 days before, with what became of them."""
    n = sum(figure.past_month.values())
    if not n:
        return "No other incident of this symbol in the 30 days before."
    each = [f"{k} {DISPOSITION_NAMES[name].lower()}" for name, k in sorted(figure.past_month.items())]
    return f"{count(n, 'other incident')} of this symbol in the 30 days before: {', '.join(each)}."


def _groups(groups: Iterable[Group], local: LocalTimes) -> list[Json]:
    return [
        {
            "opened": local.text(g.opened_ns, "%Y-%m-%d %H:%M"),
            "last": local.text(g.last_ns, "%H:%M"),
            "market": breakable(plain(g.market, 24), NARROW),
            "move": percent(g.move_pct),
            "id": g.group_id[:8],
            "message": sentence(g.message),
        }
        for g in groups
    ]


def _groups_note(left_out: int) -> str:
    more = count(left_out, "later one is", "later ones are")
    return f"The first {MOST_GROUPS:,} are listed; {more} left out." if left_out else ""


def _move(alert: Alert) -> str:
    return "" if alert.direction == "none" else percent(alert.peak_change_pct)


def _status(alert: Alert) -> str:
    if alert.state in OPEN_STATES:
        return f"{alert.state}, provisional"
    return alert.state if alert.reason is None else f"{alert.state} ({alert.reason.replace('_', ' ')})"


def _decision(case: Case | None) -> str:
    if case is None or case.disposition is None:
        return "none yet" if case is None or case.status == "open" else case.status
    by = f" ({plain(case.closed_by, 40)})" if case.closed_by else ""
    return DISPOSITION_NAMES[case.disposition].lower() + by


def _figures_note(summary: Summary, shown: int) -> str:
    if not shown:
        return "No incident in this period is about prices or volumes, so there is no chart."
    if summary.price_incidents > shown:
        return (
            f"Charts of the {shown:,} most severe of {summary.price_incidents:,} incidents about prices or volumes. "
            f"The other {summary.price_incidents - shown:,} have no chart here; the summary counts their alerts."
        )
    return "Charts of all incidents about prices or volumes in this period, the most severe first."


def _tables(summary: Summary, local: LocalTimes) -> list[Json]:
    prices = [_row(a, c, local) for a, c in summary.worst if a.category != "data_quality"]
    quality = [_row(a, c, local) for a, c in summary.worst if a.category == "data_quality"]
    return [
        {"title": "Price and volume alerts", "rows": prices},
        {"title": "Data-quality alerts", "rows": quality},
    ]


def _row(alert: Alert, case: Case | None, local: LocalTimes) -> list[str]:
    flags = ("p" if alert.state in OPEN_STATES else "") + ("" if alert.calibrated else "u")
    return [
        local.text(alert.onset_ns, "%Y-%m-%d %H:%M:%S"),
        plain(alert.symbol, 20),
        plain(alert.venue, 10),
        plain(alert.rule, 24),
        plain(alert.alert_type, 14),
        alert.severity,
        f"{alert.score:.0f}",
        _move(alert),
        price(alert.price_before),
        alert.state,
        flags,
        DISPOSITION_NAMES[case.disposition].lower() if case is not None and case.disposition else "",
        alert.alert_id[:8],
    ]


def _table_note(summary: Summary) -> str:
    shown = len(summary.worst)
    if summary.total <= shown:
        return f"All {count(summary.total, 'alert')} of the period, in the order of their onsets."
    return (
        f"This table holds the {shown:,} most severe of {summary.total:,} alerts, in the order of their onsets. "
        f"The other {summary.total - shown:,} are in the CSV report of the same period and selection, which holds "
        f"all {summary.total:,}."
    )


def _method(summary: Summary) -> list[list[str]]:
    return [
        [
            "What an alert is",
            "A rule fires on a tick that is unusual for its symbol at that time of day. Ticks of one rule, symbol and "
            "direction that belong together are one alert, dated to its first tick (the onset). Alerts of one venue "
            "and symbol whose onsets lie within 15 minutes are one incident.",
        ],
        [
            "Severity",
            "Scores from 0 to 100 grow with rarity: an alert opens at 61 (a tick that is seen about once in 20 "
            "symbol-days), is high from 75 (once in 100) and critical from 90. A rule may cap its severity.",
        ],
        [
            "Precision",
            "Every tick is judged against earlier ticks only. Times are those of the venue's tape, kept to the "
            "nanosecond and printed to the second; a bar is dated to its start. Prices are printed to about six "
            "significant digits; the CSV report has them unrounded. Changes are from the price before the onset to "
            "the most extreme price of the alert.",
        ],
        [
            "Provisional and uncalibrated",
            f"Alerts marked p ({summary.provisional:,}) had not ended when this report was made; their figures may "
            f"still change. For alerts marked u ({summary.uncalibrated:,}) too few extremes of the group were on "
            "record, and a fixed, cautious scale was used for the score.",
        ],
        [
            "Data quality and price apart",
            "Prints that cannot be right and feeds that fall silent are alerts on the data. They are listed, counted "
            "and joined to incidents apart from alerts on prices and volumes, and their prices enter no baseline. "
            "Alerts that turned out to rest on a bad print are retracted and stay on record as such.",
        ],
        [
            "Limits",
            "An alert says that something unusual was seen, not why. Conduct that shows in orders or accounts only "
            "(spoofing, layering, wash trades) cannot be seen in prices and volumes, and is not claimed.",
        ],
    ]
