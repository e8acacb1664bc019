"""The pictures of a report's most severe incidents: their bars and alerts, read from the report's source."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from zoneinfo import ZoneInfo

import msgspec

from tapewatch.model.alerts import Alert
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tapewatch.reports.charts import Marker, candlestick
from tapewatch.reports.content import Episode, MarketSource
from tapewatch.reports.port import ReportRequest, ReportSource
from tapewatch.reports.references import missing, references
from tapewatch.reports.words import percent, plain

AROUND_NS = 30 * MINUTE_NS
MOST_MARKERS = 12


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart of one incident. `alerts[i]` is marked i + 1 on it; `left_out` more are within its range."""

    episode: Episode
    svg: str
    alerts: tuple[Alert, ...]
    left_out: int
    no_reference: str  # what it could not be held against, in words
    group_id: str | None
    past_month: Counter[str]  # the symbol's other incidents of 30 days, by disposition


def figure(episode: Episode, request: ReportRequest, source: ReportSource, zone: ZoneInfo) -> Figure:
    """Chart one-minute bars for half an hour either side of the incident's onset, with the alerts of that time.

    Where more than `MOST_MARKERS` alerts lie within it, those are marked that have the highest scores.
    """
    worst = episode.worst
    from_ns, to_ns = episode.onset_ns - AROUND_NS, episode.onset_ns + AROUND_NS
    around = msgspec.structs.replace(request, from_ns=from_ns, to_ns=to_ns, venue=worst.venue, symbol=worst.symbol)
    found = _Counted(alert for alert, _ in source.alerts(around))
    best = nsmallest(MOST_MARKERS, found, key=lambda alert: (alert.incident_id != episode.incident_id, -alert.score))
    shown = sorted(best, key=lambda alert: (alert.onset_ns, alert.alert_id))
    bars = source.bars(worst.venue, worst.symbol, from_ns, to_ns, MINUTE_NS)
    markers = [_marker(k, alert) for k, alert in enumerate(shown, start=1)]
    lines = references(bars, worst.venue, worst.symbol, source, from_ns, to_ns)
    svg = candlestick(bars, markers, from_ns=from_ns, to_ns=to_ns, zone=zone, lines=lines)
    group = source.groups_of([worst]).get(worst.alert_id) if isinstance(source, MarketSource) else None
    return Figure(
        episode, svg, tuple(shown), found.seen - len(shown), missing(lines), group, past_month(episode, source, request)
    )


def past_month(episode: Episode, source: ReportSource, request: ReportRequest) -> Counter[str]:
    """How this symbol's incidents of the last 30 days, this one left out, were closed: by disposition; `open` where an
    incident's alerts were not."""
    worst = episode.worst
    before = msgspec.structs.replace(
        request,
        from_ns=episode.onset_ns - 30 * DAY_NS,
        to_ns=episode.onset_ns + 1,
        venue=worst.venue,
        symbol=worst.symbol,
        severity=None,
    )
    decided: dict[str, str] = {}
    for alert, case in source.alerts(before):
        if alert.incident_id != episode.incident_id:
            said = case.disposition if case is not None and case.disposition else "open"
            if decided.setdefault(alert.incident_id, said) == "open":
                decided[alert.incident_id] = said
    return Counter(decided.values())


def _marker(number: int, alert: Alert) -> Marker:
    move = "" if alert.direction == "none" else f" {percent(alert.peak_change_pct)}"
    return Marker(
        number=number,
        ts_ns=alert.onset_ns,
        price=alert.price_extreme,
        label=plain(f"{alert.rule}{move}", 40),
        severity=alert.severity,
        direction=alert.direction,
    )


class _Counted:
    """Counts what goes through it, so that a stream need not be held to know its length."""

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self._alerts = alerts
        self.seen = 0

    def __iter__(self) -> Iterator[Alert]:
        for alert in self._alerts:
            self.seen += 1
            yield alert
