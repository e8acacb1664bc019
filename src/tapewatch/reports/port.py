"""The port that every report format implements, and what a report is made from."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from tapewatch.model.alerts import Alert, Case
from tapewatch.model.bars import Bars


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asked for. Times bound the onset: `from_ns` inclusive, `to_ns` exclusive; None is unbounded."""

    format: str
    from_ns: int | None = None
    to_ns: int | None = None
    venue: str | None = None
    symbol: str | None = None
    severity: list[str] | None = None
    title: str | None = None
    zone: str = "UTC"  # in which times are printed


class ReportSource(Protocol):
    """Where a report reads from."""

    def alerts(self, request: ReportRequest) -> Iterator[tuple[Alert, Case | None]]:
        """Every alert of the request in the order (onset_ns, alert_id), streamed."""
        ...

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """For the charts; empty where there is no history."""
        ...


class ReportFormat(Protocol):
    """Turns a report's content into bytes."""

    name: str  # "csv", "pdf": what `format=` says
    media_type: str
    extension: str

    def render(self, request: ReportRequest, source: ReportSource, generated_ns: int) -> Iterator[bytes]:
        """The file in chunks, streamed where the format allows. An empty range is a report that says so."""
        ...
