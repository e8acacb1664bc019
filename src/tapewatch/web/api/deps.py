"""What the API is built from: ports, settings, clock, all handed in."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from tapewatch.reports.port import ReportRequest
from tapewatch.stores.port import AlertStore, CaseStore, DeadLetterReader, ReportTask, TickHistory
from tapewatch.web.api.settings import ApiSettings

__all__ = [
    "Actor",
    "ApiDeps",
    "ApiSettings",
    "Deps",
    "RenderedReport",
    "ReportService",
    "get_actor",
    "get_deps",
]


@dataclass(frozen=True, slots=True)
class RenderedReport:
    """A report on its way to a caller that waits for it."""

    file_name: str
    media_type: str
    chunks: Iterator[bytes]


class ReportService(Protocol):
    """Makes reports, now or in the background. Blocking; callable from several threads."""

    @property
    def formats(self) -> Mapping[str, str]:
        """What `format=` may say, each with its media type; the first is the default."""
        ...

    def render(self, request: ReportRequest) -> RenderedReport:
        """Start a report and stream it. Raises InputError for a format, zone or range that cannot be."""
        ...

    def submit(self, request: ReportRequest, recipient_email: str) -> ReportTask:
        """Queue a report to be sent by e-mail. Raises InputError for a recipient that is not allowed."""
        ...

    def status(self, task_id: str) -> ReportTask | None: ...

    def content(self, task_id: str) -> bytes | None:
        """The finished file, None where there is none (yet)."""
        ...


@dataclass(frozen=True, kw_only=True)
class ApiDeps:
    """Everything that the API calls. `now` gives nanoseconds UTC; `status` a JSON-able dict of figures;
    each readiness check returns None, or why the service is not ready, in words fit for a user."""

    alerts: AlertStore
    cases: CaseStore
    history: TickHistory
    dead_letters: DeadLetterReader
    reports: ReportService
    status: Callable[[], Mapping[str, Any]]  # Any: whatever figures the runtime has
    now: Callable[[], int]
    settings: ApiSettings = field(default_factory=ApiSettings)
    readiness: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)


async def get_deps(request: Request) -> ApiDeps:
    # async, as every dependency here: FastAPI would send a plain function through the thread pool
    deps: ApiDeps = request.app.state.deps
    return deps


async def get_actor(request: Request) -> str:
    """Who calls: the name of the key that was presented, `local` where no keys are set."""
    return str(request.scope.get("tapewatch.actor", "local"))


Deps = Annotated[ApiDeps, Depends(get_deps)]
Actor = Annotated[str, Depends(get_actor)]
