"""Writes a report to a file: what `replay --report`, `report` and `demo` share."""

import time
from collections.abc import Mapping
from pathlib import Path

from tapewatch.detection.instruments import Facts
from tapewatch.model.bars import Bars
from tapewatch.model.errors import InputError
from tapewatch.reports.formats import FORMATS
from tapewatch.reports.port import ReportFormat, ReportRequest, ReportSource
from tapewatch.runtime.coverage import WatchedCoverage
from tapewatch.runtime.pipeline import Sinks
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.sqlite import SqliteShardStore


def format_of(path: Path) -> ReportFormat:
    """The format that a file's ending asks for; InputError naming the known ones, or a folder that is not there: before
    the work whose report cannot be written then."""
    if not path.parent.is_dir():
        raise InputError(f"report {path}: there is no folder {path.parent}")
    for known in FORMATS:
        if path.suffix.lower() == f".{known.extension.lstrip('.')}":
            return known
    endings = ", ".join(f".{f.extension.lstrip('.')}" for f in FORMATS)
    raise InputError(f"report {path}: no format has the ending {path.suffix or '(none)'!r}; known are {endings}")


class NoBars:
    """Where no history is kept: charts are left out."""

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:  # noqa: ARG002 - port
        """No bars."""
        import numpy as np

        none = np.zeros(0)
        return Bars(np.zeros(0, np.int64), none, none, none, none, none)


def source_of(sinks: Sinks, facts: Mapping[str, Facts]) -> ReportSource:
    """A report's source over a pipeline's stores; `facts` are those of the instruments file."""
    shards = sinks.shards
    coverage = WatchedCoverage(shards) if isinstance(shards, SqliteShardStore) else None
    return StoreReportSource(sinks.alerts, sinks.cases, sinks.history or NoBars(), coverage, sinks.groups, facts)


def write_report(path: Path, source: ReportSource, request: ReportRequest) -> int:
    """Render `request` into `path` by way of a temporary file; returns the bytes written."""
    chosen = format_of(path)
    temporary = path.with_name(f".{path.name}.part")
    size = 0
    try:
        with temporary.open("wb") as file:
            for chunk in chosen.render(request, source, time.time_ns()):
                size += file.write(chunk)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return size
