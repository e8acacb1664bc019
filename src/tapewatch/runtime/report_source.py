"""What reports read from: the stores' ports, page by page."""

from collections.abc import Callable, Iterator
from typing import Protocol

from tapewatch.model.alerts import Alert, Case
from tapewatch.model.bars import Bars
from tapewatch.reports.content import Coverage
from tapewatch.reports.port import ReportRequest
from tapewatch.stores.port import AlertQuery, AlertStore, CaseStore

PAGE = 1_000


class BarSource(Protocol):
    """The part of a tick history that charts need."""

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As `TickHistory.bars` says."""
        ...


class StoreReportSource:
    """A `ReportSource` over the stores; memory: one page of alerts.

    Each page is read by itself, so that no transaction stays open while a report is written: an alert that changes
    meanwhile appears once, in the state that it had when its page was read; onsets never change.
    """

    def __init__(
        self,
        alerts: AlertStore,
        cases: CaseStore,
        history: BarSource,
        coverage: Callable[[ReportRequest], Coverage | None] | None = None,
    ) -> None:
        """`coverage` tells what was watched; without it a report names the symbols and rules that had alerts."""
        self._alerts = alerts
        self._cases = cases
        self._history = history
        self._coverage = coverage

    def alerts(self, request: ReportRequest) -> Iterator[tuple[Alert, Case | None]]:
        """Every alert of the request in the order (onset_ns, alert_id), with its case where there is one."""
        after: tuple[int, str] | None = None
        while True:
            page = self._alerts.page(_query(request, after))
            cases = self._cases.cases([alert.alert_id for alert in page]) if page else {}
            for alert in page:
                yield alert, cases.get(alert.alert_id)
            if len(page) < PAGE:
                return
            after = (page[-1].onset_ns, page[-1].alert_id)

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """From the tick history; empty where it has none."""
        return self._history.bars(venue, symbol, from_ns, to_ns, interval_ns)

    def coverage(self, request: ReportRequest) -> Coverage | None:
        """What the wiring knows about what was watched; None where it knows nothing."""
        return self._coverage(request) if self._coverage is not None else None


def _query(request: ReportRequest, after: tuple[int, str] | None) -> AlertQuery:
    return AlertQuery(
        from_ns=request.from_ns,
        to_ns=request.to_ns,
        venue=request.venue,
        symbol=request.symbol,
        severity=request.severity,
        newest_first=False,
        limit=PAGE,
        after=after,
    )
