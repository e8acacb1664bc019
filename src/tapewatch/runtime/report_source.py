"""What reports read from: the stores' ports, page by page."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from tapewatch.detection.instruments import Facts
from tapewatch.detection.markets import common_name, market_of
from tapewatch.model.alerts import Alert, Case
from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.model.market import Group
from tapewatch.reports.content import Coverage, Peers
from tapewatch.reports.port import ReportRequest
from tapewatch.stores.markets import MarketReader
from tapewatch.stores.memory import MemoryGroupStore
from tapewatch.stores.port import AlertQuery, AlertStore, ArchiveReader, CaseStore, GroupQuery, GroupStore

PAGE = 1_000
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
        facts: Mapping[str, Facts] | None = None,
    ) -> None:
        """`coverage` tells what was watched; without it a report names the symbols and rules that had alerts. `groups`
        tells what markets did; without it nothing has a market reference. `facts`, by VENUE:SYMBOL, are those of the
        instruments file: what venues call one thing."""
        self._facts = facts or {}
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

    def groups(self, request: ReportRequest, named: Collection[str] = ()) -> Iterator[Group]:
        """As the port says, page by page."""
        market = market_of(request.venue, request.symbol) if request.venue and request.symbol else None
        query = GroupQuery(market=market, from_ns=request.from_ns, to_ns=request.to_ns, newest_first=False, limit=PAGE)
        while True:
            page = self._groups.groups(query)
            yield from (group for group in page if group.group_id in named or _concerns(group, request))
            if len(page) < PAGE:
                return
            query = msgspec.structs.replace(query, after=(page[-1].opened_ns, page[-1].group_id))

    def groups_of(self, alerts: Sequence[Alert]) -> dict[str, str]:
        """By alert id, the group of its incident; an incident is taken to begin with the first of its alerts here."""
        found = self._markets.groups(alerts)
        return {alert.alert_id: found[alert.incident_id].group_id for alert in alerts if alert.incident_id in found}

    def peers(self, venue: str, symbol: str, from_ns: int, to_ns: int) -> Peers:
        """Of what was watched, or where nobody tells that, of what the history has of that time: at most `MOST_PEERS`
        others in the order of their names. Elsewhere is what `venue_divergence` would compare: one name and money, as
        the instruments file says or else the symbol."""
        market, own = market_of(venue, symbol), Instrument(venue, symbol)
        names = [n.partition(":") for n in sorted(self._watched(from_ns, to_ns)) if n != str(own)]
        others = [(v, s) for v, _, s in names if market_of(v, s) == market]
        name = self._name(own)
        elsewhere = [(v, s) for v, _, s in names if v != venue and self._name(Instrument(v, s)) == name]
        return Peers(market, tuple(others[:MOST_PEERS]), tuple(elsewhere[:MOST_PEERS]))

    def _watched(self, from_ns: int, to_ns: int) -> Iterable[str]:
        known = self.coverage(ReportRequest(format="pdf"))
        if known is not None:
            return known.instruments
        return map(str, self._history.instruments(from_ns, to_ns)) if isinstance(self._history, ArchiveReader) else ()

    def _name(self, of: Instrument) -> tuple[str, str]:
        return common_name(of, self._facts.get(str(of)))


def _concerns(group: Group, request: ReportRequest) -> bool:
    if request.venue is None and request.symbol is None:
        return True
    return any(request.venue in {None, m.venue} and request.symbol in {None, m.symbol} for m in group.members)


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
