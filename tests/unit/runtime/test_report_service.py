import pytest

from tapewatch.model.errors import InputError
from tapewatch.reports.formats import FORMATS
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.settings import ReportsSettings
from tapewatch.runtime.report_service import Reports
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.runtime.reporting import NoBars
from tapewatch.stores.memory import MemoryAlertStore, MemoryCaseStore, MemoryTaskStore
from tests.factories import ONSET_NS, make_alerts


def reports(settings: ReportsSettings | None = None) -> Reports:
    alerts = MemoryAlertStore()
    alerts.upsert(make_alerts(10), [])
    source = StoreReportSource(alerts, MemoryCaseStore(), NoBars())
    return Reports(MemoryTaskStore(), source, settings or ReportsSettings(), lambda: ONSET_NS)


def test_every_format_is_rendered_at_once_under_its_name_and_type() -> None:
    service = reports()
    assert service.formats == {known.name: known.media_type for known in FORMATS}
    for name, magic in (("csv", b"\xef\xbb\xbf"), ("pdf", b"%PDF-")):
        made = service.render(ReportRequest(format=name))
        content = b"".join(made.chunks)
        assert made.file_name == f"tapewatch-report.{name}" and made.media_type == service.formats[name]
        assert content.startswith(magic) or name == "csv"
        assert len(content) > 1000


def test_what_cannot_be_is_refused_before_anything_is_made() -> None:
    with pytest.raises(InputError, match="docx"):
        reports().render(ReportRequest(format="docx"))
    with pytest.raises(InputError, match="ends"):
        reports().render(ReportRequest(format="csv", from_ns=2, to_ns=1))


def test_without_a_mail_server_a_report_cannot_be_sent_but_a_task_is_kept() -> None:
    service = reports()
    with pytest.raises(InputError, match="no mail server"):
        service.submit(ReportRequest(format="csv"), "desk@example.org")
    task = service.tasks.submit(ReportRequest(format="csv"))
    assert service.status(task.task_id) == task and service.content(task.task_id) is None
    assert service.status("unknown") is None
