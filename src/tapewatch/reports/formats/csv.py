"""CSV: every alert of the range, one a row, streamed.

RFC 4180 (CRLF, quotes where needed) in UTF-8 without a byte order mark. The header is `COLUMNS`: it is stable, new
columns are only ever added at the end. An empty range is a file with the header alone. Times are RFC 3339 in UTC;
`*_local` repeat them in the zone of the request, `venue_time` is in the venue's.

A text cell that a spreadsheet would run as a formula (it begins with = + - @, a tab or a line break, perhaps after
blanks) gets an apostrophe in front, as OWASP recommends for CSV injection; cells of numbers are left as numbers.
"""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from zoneinfo import ZoneInfo

import msgspec

from tapewatch.model.alerts import Alert, Case
from tapewatch.model.times import format_rfc3339
from tapewatch.reports.content import zone_of
from tapewatch.reports.port import ReportRequest, ReportSource
from tapewatch.reports.times import LocalTimes

Cell = str | int | float | None
ROWS_A_CHUNK = 500
COLUMNS: tuple[str, ...] = (
    "alert_id",
    "revision",
    "incident_id",
    "onset",
    "onset_local",
    "timestamp",
    "timestamp_local",
    "venue_time",
    "phase",
    "venue",
    "symbol",
    "currency",
    "category",
    "rule",
    "rule_version",
    "detector",
    "alert_type",
    "direction",
    "severity",
    "score",
    "rarity_days",
    "calibrated",
    "state",
    "change",
    "reason",
    "price_before",
    "price",
    "price_extreme",
    "change_pct",
    "peak_change_pct",
    "volume",
    "notional",
    "notional_ratio",
    "statistic",
    "value",
    "threshold",
    "margin",
    "signals",
    "market",
    "message",
    "details",
    "baseline_bars",
    "baseline_phase_bars",
    "baseline_source",
    "baseline_holes",
    "offset",
    "timestamp_detection",
    "case_status",
    "assignee",
    "acknowledged_by",
    "acknowledged_at",
    "disposition",
    "closed_by",
    "closed_at",
    "comments",
)
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
_SUSPECT = _FORMULA | {" "}
_NO_CASE: tuple[Cell, ...] = ("open", None, None, None, None, None, None, None)


class CsvFormat:
    """Writes reports as CSV; flat memory, about 20 us an alert besides what the source needs."""

    name = "csv"
    media_type = "text/csv; charset=utf-8"
    extension = "csv"

    def render(self, request: ReportRequest, source: ReportSource, generated_ns: int) -> Iterator[bytes]:
        """The header, then chunks of at most `ROWS_A_CHUNK` rows. `generated_ns` is not written: a CSV is data only."""
        del generated_ns
        return self._chunks(request, source, zone_of(request))

    def _chunks(self, request: ReportRequest, source: ReportSource, zone: ZoneInfo) -> Iterator[bytes]:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerow(COLUMNS)
        local = LocalTimes(zone)
        rows = (_row(alert, case, local) for alert, case in source.alerts(request))
        while True:
            yield buffer.getvalue().encode("utf-8", "replace")
            buffer.seek(0)
            buffer.truncate()
            chunk = list(islice(rows, ROWS_A_CHUNK))
            if not chunk:
                return
            writer.writerows(chunk)


def defuse(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula.

    >>> defuse("=1+1"), defuse(" @SUM(A1)"), defuse("BTC/USDT")
    ("'=1+1", "' @SUM(A1)", 'BTC/USDT')
    """
    return f"'{text}" if text.lstrip(" ")[:1] in _FORMULA else text


def _row(alert: Alert, case: Case | None, local: LocalTimes) -> list[Cell]:
    health = alert.health
    cells: tuple[Cell, ...] = (
        alert.alert_id,
        alert.revision,
        alert.incident_id,
        alert.onset,
        local.rfc3339(alert.onset_ns),
        alert.timestamp,
        local.rfc3339(alert.ts_event_ns),
        alert.local_time,
        alert.phase,
        alert.venue,
        alert.symbol,
        alert.currency,
        alert.category,
        alert.rule,
        alert.rule_version,
        alert.detector,
        alert.alert_type,
        alert.direction,
        alert.severity,
        alert.score,
        alert.rarity_days,
        "true" if alert.calibrated else "false",
        alert.state,
        alert.change,
        alert.reason,
        alert.price_before,
        alert.price,
        alert.price_extreme,
        alert.change_pct,
        alert.peak_change_pct,
        alert.volume,
        alert.notional,
        alert.notional_ratio,
        alert.statistic,
        alert.value,
        alert.threshold,
        alert.margin,
        alert.signals,
        alert.market,
        alert.message,
        msgspec.json.encode(alert.details).decode(),
        health.bars,
        health.phase_bars,
        health.source,
        health.holes,
        alert.offset,
        alert.timestamp_detection,
        *(_NO_CASE if case is None else _case(case)),
    )
    return [defuse(cell) if type(cell) is str and cell[:1] in _SUSPECT else cell for cell in cells]


def _case(case: Case) -> tuple[Cell, ...]:
    comments = " | ".join(f"{format_rfc3339(c.at_ns)} {c.author}: {c.text}" for c in case.comments)
    return (
        case.status,
        case.assignee,
        case.acknowledged_by,
        None if case.acknowledged_at_ns is None else format_rfc3339(case.acknowledged_at_ns),
        case.disposition,
        case.closed_by,
        None if case.closed_at_ns is None else format_rfc3339(case.closed_at_ns),
        comments,
    )
