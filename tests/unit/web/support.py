"""An API over stores in memory, filled with realistic alerts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import FastAPI
from starlette.testclient import TestClient

from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import DeadLetter, Kind, make_batch
from tapewatch.model.times import MINUTE_NS
from tapewatch.reports.port import ReportRequest
from tapewatch.stores.memory.alerts import MemoryAlertStore
from tapewatch.stores.memory.cases import MemoryCaseStore
from tapewatch.stores.memory.dead_letters import MemoryDeadLetterStore
from tapewatch.stores.memory.history import MemoryTickHistory
from tapewatch.stores.port import ReportTask
from tapewatch.web.api.app import create_app
from tapewatch.web.api.deps import ApiDeps, ApiSettings, RenderedReport
from tests.factories import ONSET_NS, make_alerts, make_bars, make_signal

NOW_NS = ONSET_NS + 10 * 24 * 60 * MINUTE_NS


@dataclass
class FakeReports:
    """A report service that makes small reports, and tasks that are done at once."""

    tasks: dict[str, ReportTask] = field(default_factory=dict)
    requests: list[ReportRequest] = field(default_factory=list)

    @property
    def formats(self) -> Mapping[str, str]:
        return {"pdf": "application/pdf", "csv": "text/csv"}

    def render(self, request: ReportRequest) -> RenderedReport:
        self.requests.append(request)
        return RenderedReport(f"alerts.{request.format}", self.formats[request.format], iter([b"one,", b"two\n"]))

    def submit(self, request: ReportRequest, recipient_email: str) -> ReportTask:
        if not recipient_email.endswith("example.org"):
            raise InputError(f"{recipient_email} is not among the recipients that are allowed")
        self.requests.append(request)
        task = ReportTask(
            task_id=f"task{len(self.tasks)}",
            status="done",
            created_ns=NOW_NS,
            updated_ns=NOW_NS,
            request=b"{}",
            recipient_email=recipient_email,
            file_name="alerts.csv",
            media_type="text/csv",
        )
        self.tasks[task.task_id] = task
        return task

    def status(self, task_id: str) -> ReportTask | None:
        return self.tasks.get(task_id)

    def content(self, task_id: str) -> bytes | None:
        return b"one,two\n" if self.tasks[task_id].status == "done" else None


def filled_stores(n: int = 250) -> tuple[MemoryAlertStore, MemoryTickHistory, MemoryDeadLetterStore]:
    alerts = MemoryAlertStore()
    made = make_alerts(n)
    signals = [
        make_signal(
            alert_id=a.alert_id,
            venue=a.venue,
            symbol=a.symbol,
            rule=a.rule,
            direction=a.direction,
            ts_event_ns=a.onset_ns,
            k=a.onset_k,
        )
        for a in made
    ]
    alerts.upsert(made, signals)
    history = MemoryTickHistory()
    bars = make_bars(240, start_ns=ONSET_NS)
    length = len(bars.ts_ns)
    batch = make_batch(
        (Instrument("XNAS", "TSLA"),),
        length,
        kind=np.full(length, int(Kind.BAR)),
        ts_event_ns=bars.ts_ns,
        interval_ns=np.full(length, MINUTE_NS),
        open=bars.open,
        high=bars.high,
        low=bars.low,
        close=bars.close,
        volume=bars.volume,
        offset=np.arange(length),
    )
    history.append(batch, np.zeros(length, np.int8), 0, length)
    letters = MemoryDeadLetterStore()
    letters.add(
        [DeadLetter(source="a.csv", position=k, offset=k, reason="not a number", raw="x,y") for k in range(150)]
    )
    return alerts, history, letters


def make_deps(n: int = 250, **overrides: Any) -> ApiDeps:
    alerts, history, letters = filled_stores(n)
    fields: dict[str, Any] = {
        "alerts": alerts,
        "cases": MemoryCaseStore(),
        "history": history,
        "dead_letters": letters,
        "reports": FakeReports(),
        "status": lambda: {"ticks_per_s": 1200.5, "fates": {"judged": 10}},
        "now": lambda: NOW_NS,
        "readiness": {"store": lambda: None},
        "settings": ApiSettings(stream_poll_s=0.01, stream_keep_alive_s=0.05, stream_max_age_s=0.2),
    }
    return ApiDeps(**(fields | overrides))


def make_app(n: int = 250, **overrides: Any) -> FastAPI:
    return create_app(make_deps(n, **overrides))


def make_client(n: int = 250, **overrides: Any) -> TestClient:
    return TestClient(make_app(n, **overrides), base_url="http://localhost:8000", raise_server_exceptions=False)


def follow(client: TestClient, address: str) -> Iterator[dict[str, Any]]:
    """Every page of a list, from `address` until `next` is null."""
    following: str | None = address
    while following is not None:
        response = client.get(following)
        assert response.status_code == 200, response.text
        page = response.json()
        yield page
        following = page["next"]
