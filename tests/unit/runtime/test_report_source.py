import numpy as np
import pytest

from tapewatch.detection.instruments import Facts
from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.bars import Bars
from tapewatch.model.market import MarketFindings
from tapewatch.model.times import DAY_NS
from tapewatch.reports.content import Coverage, CoverageSource
from tapewatch.reports.port import ReportRequest
from tapewatch.runtime import report_source
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.memory import MemoryAlertStore, MemoryCaseStore, MemoryGroupStore
from tests.factories import ONSET_NS, make_alerts, make_bars, make_case, make_group


class History:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int, int, int]] = []

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        self.asked.append((venue, symbol, from_ns, to_ns, interval_ns))
        return make_bars()


def _put(cases: MemoryCaseStore, case: Case) -> None:
    entry = AuditEntry(seq=0, at_ns=ONSET_NS, actor="m", action="close", subject=case.alert_id, detail={})
    cases.put(case, entry)


@pytest.mark.parametrize("page", [1, 7, 30, 31])
def test_every_alert_comes_once_in_order_however_the_pages_fall(page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_source, "PAGE", page)
    alerts, store, cases = make_alerts(30), MemoryAlertStore(), MemoryCaseStore()
    store.upsert(alerts, [])
    case = make_case(alert_id=alerts[4].alert_id, version=1)
    _put(cases, case)
    read = list(StoreReportSource(store, cases, History()).alerts(ReportRequest(format="csv")))
    assert [alert for alert, _ in read] == alerts
    assert [found for _, found in read] == [case if k == 4 else None for k in range(30)]


def test_the_filters_of_the_request_hold() -> None:
    alerts, store = make_alerts(200), MemoryAlertStore()
    store.upsert(alerts, [])
    request = ReportRequest(
        format="csv",
        from_ns=ONSET_NS + DAY_NS,
        to_ns=ONSET_NS + 3 * DAY_NS,
        venue="XNAS",
        symbol="TSLA",
        severity=["high"],
    )
    read = [alert for alert, _ in StoreReportSource(store, MemoryCaseStore(), History()).alerts(request)]
    assert read == [
        a
        for a in alerts
        if ONSET_NS + DAY_NS <= a.onset_ns < ONSET_NS + 3 * DAY_NS and (a.symbol, a.severity) == ("TSLA", "high")
    ]
    assert read


def test_a_report_has_the_moves_of_its_venue_and_symbol_and_those_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_source, "PAGE", 2)
    store = MemoryGroupStore()
    members = (("XNAS", "TSLA"), ("XNAS", "AAPL"), ("XNYS", "TSLA"), ("XNAS", "TSLA"), ("XNAS", "TSLA"))
    store.put(MarketFindings(groups=[make_group(k, *member) for k, member in enumerate(members)]))
    source = StoreReportSource(MemoryAlertStore(), MemoryCaseStore(), History(), groups=store)

    def found(*named: str, venue: str | None = None, symbol: str | None = None) -> list[str]:
        request = ReportRequest(format="pdf", venue=venue, symbol=symbol)
        return [group.group_id for group in source.groups(request, named)]

    assert found() == ["g0", "g1", "g2", "g3", "g4"]
    assert found(venue="XNAS") == ["g0", "g1", "g3", "g4"]
    assert found(symbol="AAPL") == ["g1"]
    assert found("g3", "g9", venue="XNAS", symbol="AAPL") == ["g1", "g3"]


def test_bars_come_from_the_history() -> None:
    history = History()
    source = StoreReportSource(MemoryAlertStore(), MemoryCaseStore(), history)
    bars = source.bars("XNAS", "TSLA", 1, 2, 3)
    assert np.array_equal(bars.close, make_bars().close)
    assert history.asked == [("XNAS", "TSLA", 1, 2, 3)]


def test_what_was_watched_is_told_where_the_wiring_knows_it() -> None:
    known = Coverage(("XNAS:TSLA",), ("price_move",), 5)
    stores = (MemoryAlertStore(), MemoryCaseStore(), History())
    source = StoreReportSource(*stores, lambda request: known)
    assert isinstance(source, CoverageSource)
    assert source.coverage(ReportRequest(format="pdf")) == known
    assert StoreReportSource(*stores).coverage(ReportRequest(format="pdf")) is None


def test_elsewhere_is_what_the_instruments_file_calls_the_same_thing() -> None:
    watched = Coverage(("bitmex:XBTUSD", "kraken:BTC/USD", "kraken:BTC/EUR", "binance:BTC/USD"), ())
    facts = {"bitmex:XBTUSD": Facts("XBTUSD", "bitmex", instrument="BTC/USD")}
    stores = (MemoryAlertStore(), MemoryCaseStore(), History())
    told = StoreReportSource(*stores, lambda request: watched, facts=facts)
    assert told.peers("kraken", "BTC/USD", 0, 1).elsewhere == (("binance", "BTC/USD"), ("bitmex", "XBTUSD"))
    assert told.peers("bitmex", "XBTUSD", 0, 1).elsewhere == (("binance", "BTC/USD"), ("kraken", "BTC/USD"))
    untold = StoreReportSource(*stores, lambda request: watched)
    assert untold.peers("bitmex", "XBTUSD", 0, 1).elsewhere == ()
