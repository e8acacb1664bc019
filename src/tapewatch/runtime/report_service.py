"""Reports for the API: at once, or by tasks and e-mail; schedules beside them."""

import uuid
from collections.abc import Callable, Mapping
from functools import cached_property

from tapewatch.model.report_task import ReportTask
from tapewatch.reports.addresses import AllowList
from tapewatch.reports.content import Episode, zone_of
from tapewatch.reports.formats import FORMATS, format_named
from tapewatch.reports.incidents import figure
from tapewatch.reports.port import ReportRequest, ReportSource
from tapewatch.reports.schedules import Scheduler, schedules_of
from tapewatch.reports.settings import ReportsSettings
from tapewatch.reports.smtp import SmtpFileSender
from tapewatch.reports.tasks import ReportTasks, check_request
from tapewatch.stores.port import TaskStore
from tapewatch.web.api.deps import RenderedReport


class Reports:
    """The `ReportService` of the API over a task store and a report source."""

    def __init__(
        self, store: TaskStore, source: ReportSource, settings: ReportsSettings, now: Callable[[], int]
    ) -> None:
        self.tasks = ReportTasks(
            store=store,
            source=source,
            now=now,
            new_id=lambda: uuid.uuid4().hex,
            send=SmtpFileSender(settings.smtp, now) if settings.smtp else None,
            recipients=AllowList(settings.recipients),
        )
        self.scheduler = Scheduler(schedules_of(settings), self.tasks, now)
        self._source = source
        self._now = now

    @cached_property
    def formats(self) -> Mapping[str, str]:
        """As the API's port says."""
        return {f.name: f.media_type for f in FORMATS}

    def render(self, request: ReportRequest) -> RenderedReport:
        """As the API's port says."""
        check_request(request, FORMATS)
        chosen = format_named(request.format)
        now_ns = self._now()
        name = f"tapewatch-report.{chosen.extension.lstrip('.')}"
        return RenderedReport(name, chosen.media_type, chosen.render(request, self._source, now_ns))

    def chart(self, episode: Episode) -> str:
        """One incident as SVG, times in UTC."""
        request = ReportRequest(format="svg")
        return figure(episode, request, self._source, zone_of(request)).svg

    def submit(self, request: ReportRequest, recipient_email: str) -> ReportTask:
        """As the API's port says."""
        return self.tasks.submit(request, recipient_email)

    def status(self, task_id: str) -> ReportTask | None:
        """As the API's port says."""
        return self.tasks.store.get(task_id)

    def content(self, task_id: str) -> bytes | None:
        """As the API's port says."""
        return self.tasks.store.content(task_id)
