"""What `/metrics` and `/v1/status` say of the embedded process: every record by its fate, every notice by its end."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tapewatch.model.ticks import Fate
from tapewatch.model.times import format_rfc3339
from tapewatch.notify.counts import Counts
from tapewatch.reports.tasks import TaskCounts
from tapewatch.runtime.pipeline import Progress


class EmbeddedMetrics:
    """A Prometheus collector over the counters that the parts keep; nothing is counted twice."""

    def __init__(
        self,
        progress: Callable[[], Progress | None],
        notices: Counts,
        reports: TaskCounts,
        removed: Mapping[str, int],
    ) -> None:
        """`removed`: rows that retention removed, by table, as counted elsewhere."""
        self._progress, self._notices, self._reports, self._removed = progress, notices, reports, removed

    def collect(self) -> Iterable[Metric]:
        """The families, read at the moment of the scrape."""
        progress = self._progress()
        if progress is not None:
            yield from _tape(progress)
        labels = ["what", "channel", "why"]
        notices = CounterMetricFamily("tapewatch_notices", "Notices by what became of them.", labels=labels)
        for key, count in self._notices.snapshot().items():
            notices.add_metric([*key, *[""] * (3 - len(key))], count)
        yield notices
        reports = CounterMetricFamily("tapewatch_report_tasks", "Report tasks by what became of them.", labels=["what"])
        for name in TaskCounts.__dataclass_fields__:
            reports.add_metric([name], getattr(self._reports, name))
        yield reports
        removed = CounterMetricFamily("tapewatch_retention_removed", "Rows that retention removed.", labels=["what"])
        for name, count in sorted(self._removed.items()):
            removed.add_metric([name], count)
        yield removed


def _tape(progress: Progress) -> Iterable[Metric]:
    records = CounterMetricFamily("tapewatch_records", "Records of the tape by their one fate.", labels=["fate"])
    for fate in Fate:
        records.add_metric([fate.name.lower()], progress.fates.get(fate, 0))
    yield records
    yield CounterMetricFamily("tapewatch_batches", "Batches committed by this process.", value=progress.batches)
    yield CounterMetricFamily("tapewatch_alert_revisions", "Alert revisions that took effect.", value=progress.alerts)
    yield CounterMetricFamily("tapewatch_signals", "Signals delivered.", value=progress.signals)
    yield GaugeMetricFamily("tapewatch_tape_next_offset", "First offset not yet committed.", value=progress.next)
    yield GaugeMetricFamily(
        "tapewatch_event_time_seconds", "Acting time of the newest committed record.", value=progress.event_ns / 1e9
    )


def status_of(progress: Progress | None, feed: str, running: bool) -> Mapping[str, Any]:
    """The figures of `/v1/status`."""
    if progress is None:
        return {"mode": "embedded", "feed": None}
    return {
        "mode": "embedded",
        "feed": feed,
        "running": running,
        "next": progress.next,
        "records": progress.records,
        "alert_revisions": progress.alerts,
        "event_time": format_rfc3339(progress.event_ns) if progress.event_ns else None,
        "fates": {f.name.lower(): n for f, n in sorted(progress.fates.items())},
    }
