"""CSV: every alert of the range, one a row, streamed.

RFC 4180 (CRLF, quotes where needed) in UTF-8 without a byte order mark. The header is `COLUMNS`: it is stable, new
columns are only ever added at the end. An empty range is a file with the header alone. Times are RFC 3339 in UTC;
`*_local` repeat them in the zone of the request, `venue_time` is in the venue's.

A text cell that a spreadsheet would run as a formula (it begins with = + - @, a tab or a line break, perhaps after
blanks) gets an apostrophe in front, as OWASP recommends for CSV injection; cells of numbers are left as numbers. So
does such a beginning behind a semicolon, tab or line break inside of a text: where the list separator is a semicolon,
a spreadsheet cuts the line there, quotes or not.
"""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from operator import attrgetter
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from tapewatch.model.alerts import Case
from tapewatch.model.times import format_rfc3339
from tapewatch.reports.content import OPEN_STATES, Entry, MarketSource, zone_of
from tapewatch.reports.port import ReportRequest, ReportSource
from tapewatch.reports.times import LocalTimes

ROWS_A_CHUNK = 2_000
_TEXT, _INT, _FLOAT, _BOOL = pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()
# Name, type, and where it stands in an alert; None: made below. The order is the file's.
_COLUMNS: tuple[tuple[str, pl.DataType, str | None], ...] = (
    ("alert_id", _TEXT, "alert_id"),
    ("revision", _INT, "revision"),
    ("incident_id", _TEXT, "incident_id"),
    ("onset", _TEXT, "onset"),
    ("onset_local", _TEXT, None),
    ("timestamp", _TEXT, "timestamp"),
    ("timestamp_local", _TEXT, None),
    ("venue_time", _TEXT, "local_time"),
    ("phase", _TEXT, "phase"),
    ("venue", _TEXT, "venue"),
    ("symbol", _TEXT, "symbol"),
    ("currency", _TEXT, "currency"),
    ("category", _TEXT, "category"),
    ("rule", _TEXT, "rule"),
    ("rule_version", _TEXT, "rule_version"),
    ("detector", _TEXT, "detector"),
    ("alert_type", _TEXT, "alert_type"),
    ("direction", _TEXT, "direction"),
    ("severity", _TEXT, "severity"),
    ("score", _FLOAT, "score"),
    ("rarity_days", _FLOAT, "rarity_days"),
    ("calibrated", _BOOL, "calibrated"),
    ("state", _TEXT, "state"),
    ("change", _TEXT, "change"),
    ("reason", _TEXT, "reason"),
    ("price_before", _FLOAT, "price_before"),
    ("price", _FLOAT, "price"),
    ("price_extreme", _FLOAT, "price_extreme"),
    ("change_pct", _FLOAT, "change_pct"),
    ("peak_change_pct", _FLOAT, "peak_change_pct"),
    ("volume", _FLOAT, "volume"),
    ("notional", _FLOAT, "notional"),
    ("notional_ratio", _FLOAT, "notional_ratio"),
    ("statistic", _TEXT, "statistic"),
    ("value", _FLOAT, "value"),
    ("threshold", _FLOAT, "threshold"),
    ("margin", _FLOAT, "margin"),
    ("signals", _INT, "signals"),
    ("market", _TEXT, "market"),
    ("message", _TEXT, "message"),
    ("details", _TEXT, None),
    ("baseline_bars", _INT, "health.bars"),
    ("baseline_phase_bars", _INT, "health.phase_bars"),
    ("baseline_source", _TEXT, "health.source"),
    ("baseline_holes", _INT, "health.holes"),
    ("offset", _INT, "offset"),
    ("timestamp_detection", _TEXT, "timestamp_detection"),
    ("case_status", _TEXT, None),
    ("assignee", _TEXT, None),
    ("acknowledged_by", _TEXT, None),
    ("acknowledged_at", _TEXT, None),
    ("disposition", _TEXT, None),
    ("closed_by", _TEXT, None),
    ("closed_at", _TEXT, None),
    ("comments", _TEXT, None),
    ("provisional", _BOOL, None),
    ("group_id", _TEXT, None),
    ("last_ticks", _TEXT, None),
)
COLUMNS: tuple[str, ...] = tuple(name for name, _, _ in _COLUMNS)
_CASE_COLUMNS = COLUMNS[-11:-3]
_STORED = tuple((name, where) for name, _, where in _COLUMNS if where is not None)
_stored = attrgetter(*(where for _, where in _STORED))
_NO_CASE: tuple[str | None, ...] = ("open", None, None, None, None, None, None, None)
_FORMULA = r"^( *[=+\-@\t\r\n＝＋－＠])"
_INSIDE = r"([;\t\r\n])([ \"]*[=+\-@＝＋－＠])"  # a piece that begins with a quote is read without it
_SUSPECT = f"{_FORMULA}|{_INSIDE}"


class CsvFormat:
    """Writes reports as CSV; flat memory (one chunk), some 10 us of processor time an alert besides the source's."""

    name = "csv"
    media_type = "text/csv; charset=utf-8"
    extension = "csv"

    def render(self, request: ReportRequest, source: ReportSource, generated_ns: int) -> Iterator[bytes]:
        """The header, then chunks of at most `ROWS_A_CHUNK` rows. `generated_ns` is not written: a CSV is data only."""
        del generated_ns
        return self._chunks(request, source, zone_of(request))

    def _chunks(self, request: ReportRequest, source: ReportSource, zone: ZoneInfo) -> Iterator[bytes]:
        yield ",".join(COLUMNS).encode() + b"\r\n"
        local = LocalTimes(zone)
        entries = source.alerts(request)
        groups = source if isinstance(source, MarketSource) else None
        while chunk := list(islice(entries, ROWS_A_CHUNK)):
            buffer = BytesIO()
            defused(_frame(chunk, local, groups.groups_of([a for a, _ in chunk]) if groups else {})).write_csv(
                buffer, include_header=False, line_terminator="\r\n"
            )
            yield buffer.getvalue()


def defused(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before every text, or piece of one, that a spreadsheet would take for a formula.

    >>> defused(pl.DataFrame({"a": ["=1+1", " @SUM(A1)", "BTC/USDT;=1"], "b": [-1, 2, 3]}))["a"].to_list()
    ["'=1+1", "' @SUM(A1)", "BTC/USDT;'=1"]
    """
    suspect = frame.select(pl.col(pl.String).str.contains(_SUSPECT).any())  # seven times as fast as to replace
    names = [name for name, found in zip(suspect.columns, suspect.row(0), strict=True) if found]
    return (
        frame.with_columns(pl.col(names).str.replace_all(_INSIDE, "$1'$2").str.replace(_FORMULA, "'$1"))
        if names
        else frame
    )


def _frame(entries: Sequence[Entry], local: LocalTimes, groups: Mapping[str, str]) -> pl.DataFrame:
    alerts = [alert for alert, _ in entries]
    columns: dict[str, Sequence[object]] = dict(
        zip((name for name, _ in _STORED), zip(*map(_stored, alerts), strict=True), strict=True)
    )
    columns["onset_local"] = [local.rfc3339(alert.onset_ns) for alert in alerts]
    columns["timestamp_local"] = [local.rfc3339(alert.ts_event_ns) for alert in alerts]
    columns["details"] = [msgspec.json.encode(alert.details).decode() for alert in alerts]
    columns["provisional"] = [alert.state in OPEN_STATES for alert in alerts]
    columns["group_id"] = [groups.get(alert.alert_id) for alert in alerts]
    columns["last_ticks"] = [msgspec.json.encode(alert.last_ticks).decode() for alert in alerts]
    cases = zip(*(_NO_CASE if case is None else _case(case) for _, case in entries), strict=True)
    columns |= dict(zip(_CASE_COLUMNS, cases, strict=True))
    return pl.DataFrame([pl.Series(name, columns[name], dtype, strict=False) for name, dtype, _ in _COLUMNS])


def _case(case: Case) -> tuple[str | None, ...]:
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
