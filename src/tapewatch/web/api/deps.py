"""What the API is built from: ports, settings, clock, all handed in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from tapewatch.alerts.silences import Silence
from tapewatch.model.errors import TapewatchError
from tapewatch.reports.content import Episode
from tapewatch.reports.port import ReportRequest
from tapewatch.stores.markets import MarketReader
from tapewatch.stores.memory import MemoryGroupStore
from tapewatch.stores.port import (
    AlertStore,
    BarReader,
    CaseStore,
    DeadLetterReader,
    GroupStore,
    NoticeReader,
    ReportTask,
)
from tapewatch.web.api.settings import ApiSettings

__all__ = [
    "Actor",
    "ApiDeps",
    "ApiSettings",
    "Deps",
    "KnownNames",
    "RenderedReport",
    "ReportService",
    "get_actor",
    "get_deps",
    "run_checks",
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


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What filters may ask for before there is any such alert: the settings' rules, the types of all detectors."""

    rules: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class ApiDeps:
    """Everything that the API calls. `now` gives nanoseconds UTC; `status` a JSON-able dict of figures;
    each readiness check returns None, or why the service is not ready, in words fit for a user. Without one of
    `optional`, a part of the service is degraded, and the rest serves on."""

    alerts: AlertStore
    cases: CaseStore
    history: BarReader
    dead_letters: DeadLetterReader
    reports: ReportService
    status: Callable[[], Mapping[str, Any]]  # Any: whatever figures the runtime has
    now: Callable[[], int]
    groups: GroupStore = field(default_factory=MemoryGroupStore)  # empty: no market reference anywhere
    notices: NoticeReader | None = None  # None: nobody can say who was told
    chart: Callable[[Episode], str] | None = None  # an incident as SVG; None: no charts here
    fixed_silences: Sequence[Silence] = ()  # those of the settings
    settings: ApiSettings = field(default_factory=ApiSettings)
    readiness: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    names: KnownNames = field(default_factory=KnownNames)
    newest_change: Callable[[], int] | None = None  # its number, where the log tells it faster than by being searched
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    @property
    def markets(self) -> MarketReader:
        """Joins alerts and incidents with what their markets did."""
        return MarketReader(self.groups)


def run_checks(deps: ApiDeps) -> dict[str, str | None]:
    """The outcome of each readiness check: None, or why it fails."""
    return {name: _outcome(check) for name, check in deps.readiness.items()}


def _outcome(check: Callable[[], str | None]) -> str | None:
    try:
        return check()
    except TapewatchError as error:
        return str(error)
    except OSError as error:
        return type(error).__name__  # its text may hold a path or an address


async def get_deps(request: Request) -> ApiDeps:
    # async, as every dependency here: FastAPI would send a plain function through the thread pool
    deps: ApiDeps = request.app.state.deps
    return deps


async def get_actor(request: Request) -> str:
    """Who calls: the name of the key that was presented, `local` where no keys are set."""
    return str(request.scope.get("tapewatch.actor", "local"))


Deps = Annotated[ApiDeps, Depends(get_deps)]
Actor = Annotated[str, Depends(get_actor)]
