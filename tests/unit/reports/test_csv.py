import csv
import gc
import io
import tracemalloc

import pytest

from tapewatch.model.alerts import Alert, Case, Comment
from tapewatch.model.times import MINUTE_NS, parse_rfc3339
from tapewatch.reports.formats.csv import COLUMNS, CsvFormat
from tapewatch.reports.port import ReportRequest, ReportSource
from tests.factories import ONSET_NS, make_alert, make_alerts, make_case
from tests.unit.reports.sources import EndlessSource, ListSource


def _render(source: ReportSource, zone: str = "UTC") -> bytes:
    return b"".join(CsvFormat().render(ReportRequest(format="csv", zone=zone), source, 0))


def _rows(*alerts: Alert, cases: dict[str, Case] | None = None, zone: str = "UTC") -> list[dict[str, str]]:
    text = _render(ListSource(alerts, cases), zone).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_alert_is_a_row_under_the_documented_header() -> None:
    alerts = make_alerts(1_234)
    rows = _rows(*alerts)
    assert tuple(rows[0]) == COLUMNS
    assert [row["alert_id"] for row in rows] == [alert.alert_id for alert in alerts]


def test_the_header_only_ever_grows_at_its_end() -> None:
    assert COLUMNS[:6] == ("alert_id", "revision", "incident_id", "onset", "onset_local", "timestamp")
    assert COLUMNS.index("comments") == 54


def test_an_empty_range_is_the_header_alone() -> None:
    assert _render(ListSource()) == ",".join(COLUMNS).encode() + b"\r\n"


def test_times_are_utc_and_local_with_every_digit() -> None:
    onset_ns = parse_rfc3339("2025-11-02T05:59:59.123456789Z")  # the second before New York sets its clocks back
    before, after = _rows(make_alert(onset_ns=onset_ns), make_alert(onset_ns=onset_ns + 10**9), zone="America/New_York")
    assert before["onset"] == "2025-11-02T05:59:59.123456789Z"
    assert before["onset_local"] == "2025-11-02T01:59:59.123456789-04:00"
    assert after["onset_local"] == "2025-11-02T01:00:00.123456789-05:00"
    assert parse_rfc3339(after["onset_local"]) == onset_ns + 10**9


HOSTILE = ["=1+1", "+1", "-1+1|cmd", "@SUM(A1)", "\tx", "\rx", "\nx", "  =1", "＝1+1", '=HYPERLINK("x")']


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("column", ["symbol", "venue", "rule", "message", "alert_type", "market", "phase"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str, column: str) -> None:
    assert _rows(make_alert(**{column: text}))[0][column] == f"'{text}"


@pytest.mark.parametrize("cut", [";", "\t", "\r", "\n"])
@pytest.mark.parametrize("formula", ["=1+1", "  -1+1|cmd", "＋1", '"=1+1', ' ""@A1'])
def test_a_formula_behind_what_some_spreadsheets_cut_at_gets_an_apostrophe_too(cut: str, formula: str) -> None:
    text = f"fell{cut}{formula}{cut}{formula}"
    assert _rows(make_alert(message=text))[0]["message"] == f"fell{cut}'{formula}{cut}'{formula}"
    assert _rows(make_alert(message=f"fell{cut}1 %; 2"))[0]["message"] == f"fell{cut}1 %; 2"


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_wrote_is_defused_as_well(text: str) -> None:
    alert = make_alert()
    comment = Comment(author=text, text=text, at_ns=ONSET_NS)
    row = _rows(alert, cases={alert.alert_id: make_case(assignee=text, closed_by=text, comments=[comment])})[0]
    assert row["assignee"] == row["closed_by"] == f"'{text}"
    assert row["comments"].startswith("2025-04-07T14:10:00Z ")


def test_numbers_stay_numbers_though_they_begin_with_a_minus() -> None:
    row = _rows(make_alert(change_pct=-5.25, score=61.0, price=1e-08))[0]
    assert row["change_pct"] == "-5.25"
    assert float(row["price"]) == 1e-08
    assert row["severity"] == "medium"


def test_separators_quotes_and_line_breaks_come_back_as_they_were() -> None:
    text = 'a,"b"\r\nc;d\u2028e é 株'
    assert _rows(make_alert(message=text, symbol='X",\n'))[0]["message"] == text


def test_rows_end_in_crlf_and_there_is_no_byte_order_mark() -> None:
    data = _render(ListSource([make_alert()]))
    assert data.startswith(b"alert_id,")
    assert data.count(b"\r\n") == data.count(b"\n") == 2


def test_a_case_that_nobody_opened_is_open_with_empty_cells() -> None:
    row = _rows(make_alert())[0]
    assert row["case_status"] == "open"
    assert row["disposition"] == row["closed_at"] == ""


def test_memory_is_flat_however_many_alerts_there_are() -> None:
    def peak(n: int) -> int:
        alerts = make_alerts(50)
        source = EndlessSource(n, lambda k: alerts[k % 50])
        gc.collect()
        tracemalloc.start()
        size = sum(len(chunk) for chunk in CsvFormat().render(ReportRequest(format="csv"), source, 0))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert size > n * 500
        return most

    peak(100)  # caches of zones and formats
    assert peak(12_000) < 1.5 * peak(3_000)


def test_the_first_chunk_comes_before_the_source_is_read() -> None:
    def make(k: int) -> Alert:
        raise AssertionError("read too early")

    chunks = CsvFormat().render(ReportRequest(format="csv"), EndlessSource(1, make), MINUTE_NS)
    assert next(chunks).startswith(b"alert_id,")
