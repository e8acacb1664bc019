"""What reports read from: the stores' ports, page by page."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tapewatch.detection.markets import market_of
from tapewatch.model.alerts import Alert, Case
from tapewatch.model.bars import Bars
from tapewatch.model.market import Group
from tapewatch.reports.content import Coverage, Peers
from tapewatch.reports.port import ReportRequest
from tapewatch.stores.markets import MarketReader
from tapewatch.stores.memory import MemoryGroupStore
from tapewatch.stores.port import AlertQuery, AlertStore, CaseStore, GroupQuery, GroupStore

PAGE = 1_000
MOST_GROUPS = 100
MOST_PEERS = 30


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
        groups: GroupStore | None = None,
    ) -> None:
        """`coverage` tells what was watched; without it a report names the symbols and rules that had alerts. `groups`
        tells what markets did; without it nothing has a market reference."""
        self._groups = groups or MemoryGroupStore()
        self._markets = MarketReader(self._groups)
        self._alerts = alerts
        self._cases = cases
        self._history = history
        self._coverage = coverage

    def alerts(self, request: ReportRequest) -> Iterator[tuple[Alert, Case | None]]:
        """Every alert of the request in the order (onset_ns, alert_id), with its case where there is one."""
        after: tuple[int, str] | None = None
        while True:
            page = self._markets.told(self._alerts.page(_query(request, after)))
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

    def groups(self, request: ReportRequest) -> list[Group]:
        """The market-wide moves of the request's time; of one market where it asks for a symbol."""
        market = market_of(request.venue, request.symbol) if request.venue and request.symbol else None
        query = GroupQuery(
            market=market, from_ns=request.from_ns, to_ns=request.to_ns, newest_first=False, limit=MOST_GROUPS
        )
        return self._groups.groups(query)

    def groups_of(self, alerts: Sequence[Alert]) -> dict[str, str]:
        """By alert id, the group of its incident; an incident is taken to begin with the first of its alerts here."""
        found = self._markets.groups(alerts)
        return {alert.alert_id: found[alert.incident_id].group_id for alert in alerts if alert.incident_id in found}

    def peers(self, venue: str, symbol: str) -> Peers:
        """Of what was watched, at most `MOST_PEERS` others in the order of their names."""
        market, own = market_of(venue, symbol), f"{venue}:{symbol}"
        known = self.coverage(ReportRequest(format="pdf"))
        names = [n.partition(":") for n in sorted(known.instruments if known else ()) if n != own]
        others = [(v, s) for v, _, s in names if market_of(v, s) == market]
        elsewhere = [(v, s) for v, _, s in names if s == symbol and v != venue]
        return Peers(market, tuple(others[:MOST_PEERS]), tuple(elsewhere[:MOST_PEERS]))


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
