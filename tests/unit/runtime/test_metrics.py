from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest

from tapewatch.model.ticks import Fate
from tapewatch.notify.counts import Counts
from tapewatch.reports.tasks import TaskCounts
from tapewatch.runtime.cluster.sinks.report_figures import ReportFigures
from tapewatch.runtime.metrics import EmbeddedMetrics, status_of
from tapewatch.runtime.pipeline import Progress

PROGRESS = Progress(
    next=10, records=4, event_ns=1_741_000_000_000_000_000, alerts=2, fates={Fate.JUDGED: 7, Fate.DEAD: 3}
)


def exposed(
    progress: Progress | None,
    notices: Counts | None = None,
    reports: TaskCounts | None = None,
    removed: Mapping[str, int] | None = None,
) -> list[str]:
    registry = CollectorRegistry()
    registry.register(EmbeddedMetrics(lambda: progress, notices or Counts(), reports or TaskCounts(), removed or {}))
    return generate_latest(registry).decode().splitlines()


def test_every_fate_is_there_from_the_start_and_their_sum_is_the_tapes_length() -> None:
    lines = [line for line in exposed(PROGRESS) if line.startswith("tapewatch_records_total{")]
    assert len(lines) == len(Fate)
    assert sum(float(line.rsplit(" ", 1)[1]) for line in lines) == PROGRESS.next
    assert 'tapewatch_records_total{fate="dead"} 3.0' in lines


def test_before_the_rules_are_compiled_there_are_no_figures_of_the_tape() -> None:
    lines = exposed(None)
    assert not [line for line in lines if line.startswith("tapewatch_records")]
    assert 'tapewatch_report_tasks_total{what="done"} 0.0' in lines


def test_notices_are_counted_by_what_became_of_them() -> None:
    notices = Counts()
    notices.add("delivered", "slack")
    notices.add("suppressed", "slack", "silence")
    notices.add("ledger_busy")
    lines = exposed(PROGRESS, notices, TaskCounts(done=5))
    assert 'tapewatch_notices_total{channel="slack",what="delivered",why=""} 1.0' in lines
    assert 'tapewatch_notices_total{channel="slack",what="suppressed",why="silence"} 1.0' in lines
    assert 'tapewatch_notices_total{channel="",what="ledger_busy",why=""} 1.0' in lines
    assert 'tapewatch_report_tasks_total{what="done"} 5.0' in lines


def test_what_retention_removed_is_counted_by_table() -> None:
    lines = exposed(PROGRESS, removed={"signals": 3, "alerts": 0})
    assert 'tapewatch_retention_removed_total{what="signals"} 3.0' in lines
    assert 'tapewatch_retention_removed_total{what="alerts"} 0.0' in lines


def test_the_status_says_what_it_does_or_that_there_is_no_feed() -> None:
    assert status_of(None, "", running=False) == {"mode": "embedded", "feed": None}
    status = status_of(PROGRESS, "abc", running=True)
    assert status["fates"] == {"judged": 7, "dead": 3}
    assert (status["feed"], status["running"], status["event_time"]) == ("abc", True, "2025-03-03T11:06:40Z")
    assert status_of(Progress(), "abc", running=True)["event_time"] is None


def test_a_worker_tells_what_became_of_reports_since_it_last_told() -> None:
    registry = CollectorRegistry()
    figures = ReportFigures(registry)
    for _ in range(2):
        figures.counts.done += 2
        figures.tell()
    figures.tell()
    lines = generate_latest(registry).decode().splitlines()
    assert 'tapewatch_report_tasks_total{what="done"} 4.0' in lines
    assert 'tapewatch_report_tasks_total{what="store_errors"} 0.0' in lines
