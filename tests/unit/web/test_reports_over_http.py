from collections.abc import Iterator

import pytest

from tapewatch.model.errors import InputError
from tapewatch.reports.port import ReportRequest
from tapewatch.stores.port import ReportTask, TaskStatus
from tapewatch.web.api.deps import ApiSettings, RenderedReport
from tapewatch.web.api.routes.reports import disposition
from tests.unit.web.support import NOW_NS, FakeReports, make_client


def test_a_report_comes_at_once_as_a_file() -> None:
    reports = FakeReports()
    response = make_client(1, reports=reports).post(
        "/v1/reports?format=csv&symbol=BTC/USDT&from=2025-04-07&to=2025-04-08&severity=high&zone=Europe/Rome&title=Desk"
    )
    assert response.content == b"one,two\n"
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"] == 'attachment; filename="alerts.csv"'
    asked = reports.requests[0]
    assert (asked.symbol, asked.severity, asked.zone, asked.title) == ("BTC/USDT", ["high"], "Europe/Rome", "Desk")


@pytest.mark.parametrize("recipient", ["", "&recipient_email=desk@example.org"])
def test_a_report_on_a_symbol_in_any_case_is_on_that_symbol(recipient: str) -> None:
    reports = FakeReports()
    make_client(1, reports=reports).post(f"/v1/reports?format=csv&symbol=btc/Usdt{recipient}")
    assert [asked.symbol for asked in reports.requests] == ["BTC/USDT"]


def test_with_a_recipient_it_is_a_task_that_can_be_followed_to_its_file() -> None:
    client = make_client(1)
    queued = client.post("/v1/reports?format=csv&recipient_email=desk@example.org")
    assert queued.status_code == 202
    status = client.get(queued.headers["location"]).json()
    assert status["task_id"] == queued.json()["task_id"] and status["status"] == "done"
    file = client.get(status["file"])
    assert file.content == b"one,two\n" and "alerts.csv" in file.headers["content-disposition"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("format=docx", 422),
        ("zone=Mars/Olympus", 400),
        ("zone=../../etc/passwd", 422),
        ("zone=Europe", 400),
        ("from=2025-04-08&to=2025-04-07", 400),
        ("recipient_email=desk@evil.example", 400),
        ("recipient_email=a@b%0d%0aBcc:x@y", 422),
        ("title=a%0ab", 422),
    ],
)
def test_what_cannot_be_reported_is_refused(query: str, status: int) -> None:
    assert make_client(1).post(f"/v1/reports?{query}").status_code == status


@pytest.mark.parametrize(("state", "status"), [("queued", 409), ("running", 409), ("failed", 409), ("done", 200)])
def test_the_file_is_there_when_the_task_is_done(state: TaskStatus, status: int) -> None:
    reports = FakeReports()
    reports.tasks["t"] = ReportTask(task_id="t", status=state, created_ns=NOW_NS, updated_ns=NOW_NS, request=b"{}")
    assert make_client(1, reports=reports).get("/v1/reports/t/file").status_code == status
    assert make_client(1).get("/v1/reports/t/file").status_code == 404
    assert make_client(1).get("/v1/reports/status/t").status_code == 404


class _Failing(FakeReports):
    def render(self, request: ReportRequest) -> RenderedReport:
        return RenderedReport("a.csv", "text/csv", self._chunks(0))

    def _chunks(self, bars: int) -> Iterator[bytes]:
        if bars < 1:
            raise InputError("the range holds more than can be drawn")
        yield b"drawn"


def test_what_fails_before_the_first_byte_is_a_proper_error_and_frees_its_place() -> None:
    client = make_client(1, reports=_Failing(), settings=ApiSettings(max_renders=1))
    for _ in range(3):
        response = client.post("/v1/reports")
        assert response.status_code == 400 and "more than can be drawn" in response.json()["detail"]


def test_no_more_reports_are_made_at_once_than_the_settings_allow() -> None:
    client = make_client(1, settings=ApiSettings(max_renders=0))
    response = client.post("/v1/reports")
    assert response.status_code == 503 and response.headers["retry-after"]
    free = make_client(1, settings=ApiSettings(max_renders=1))
    assert [free.post("/v1/reports").status_code for _ in range(3)] == [200, 200, 200]


def test_an_empty_report_is_an_empty_file() -> None:
    class Empty(FakeReports):
        def render(self, request: ReportRequest) -> RenderedReport:
            return RenderedReport("a.csv", "text/csv", iter([]))

    response = make_client(1, reports=Empty()).post("/v1/reports")
    assert response.status_code == 200 and response.content == b""


def test_a_file_name_cannot_break_out_of_its_header() -> None:
    assert disposition('a"; x="\r\nEvil: 1') == (
        "attachment; filename=\"a__ x____Evil_ 1\"; filename*=UTF-8''a%22%3B%20x%3D%22%0D%0AEvil%3A%201"
    )
