"""What became of report tasks, told by the processes of one worker through the files that they share."""

from dataclasses import fields, replace

from prometheus_client import CollectorRegistry, Counter

from tapewatch.reports.tasks import TaskCounts


class ReportFigures:
    """`tapewatch_report_tasks`, as the embedded server has it: what is in `counts`, each time that `tell` is called.
    One a process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """`registry` None: where this process shares its figures with others by files."""
        self.counts = TaskCounts()
        self._told = TaskCounts()
        self._counter = Counter(
            "tapewatch_report_tasks", "Report tasks by what became of them.", ["what"], registry=registry
        )

    def tell(self) -> None:
        """Add what has been counted since the last time."""
        now = replace(self.counts)
        for name in (field.name for field in fields(TaskCounts)):
            self._counter.labels(name).inc(getattr(now, name) - getattr(self._told, name))
        self._told = now
