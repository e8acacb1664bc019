"""What a chart holds a symbol against, and what it says where there is nothing."""

import numpy as np
import pytest

from tapewatch.model.bars import Bars
from tapewatch.model.times import MINUTE_NS
from tapewatch.reports.charts import candlestick
from tapewatch.reports.content import Peers, zone_of
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.references import missing, references
from tests.factories import ONSET_NS

FROM_NS, TO_NS = ONSET_NS - 5 * MINUTE_NS, ONSET_NS + 5 * MINUTE_NS


def course(prices: list[float]) -> Bars:
    """One bar a minute from `FROM_NS` on."""
    column = np.array(prices)
    ts_ns = FROM_NS + np.arange(len(prices), dtype=np.int64) * MINUTE_NS
    return Bars(ts_ns, column, column, column, column, np.ones(len(prices)))


class Market:
    """A source that knows these courses; AAA is the symbol in question."""

    def __init__(self, others: dict[str, list[float]], elsewhere: dict[str, list[float]] | None = None) -> None:
        self._courses = {("XNAS", s): c for s, c in others.items()} | {
            (v, "AAA"): c for v, c in (elsewhere or {}).items()
        }
        self._others, self._elsewhere = tuple(others), tuple(elsewhere or {})

    def alerts(self, request: ReportRequest) -> object:
        raise NotImplementedError

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        del from_ns, to_ns, interval_ns
        return course(self._courses[venue, symbol])

    def groups(self, request: ReportRequest) -> list[object]:
        raise NotImplementedError

    def groups_of(self, alerts: object) -> dict[str, str]:
        raise NotImplementedError

    def peers(self, venue: str, symbol: str, from_ns: int, to_ns: int) -> Peers:
        del from_ns, to_ns
        return Peers("XNYS", tuple(("XNAS", s) for s in self._others), tuple((v, symbol) for v in self._elsewhere))


OWN = course([50.0, 49.0, 40.0])


def lines_of(source: object) -> list[object]:
    return list(references(OWN, "XNAS", "AAA", source, FROM_NS, TO_NS))  # type: ignore[arg-type] # a fake


def test_the_mean_of_the_others_meets_the_symbol_at_its_first_close() -> None:
    source = Market({"B": [1.0, 1.1], "C": [10.0, 10.0, 9.0], "D": [100.0, 100.0, 100.0]})
    (line,) = references(OWN, "XNAS", "AAA", source, FROM_NS, TO_NS)  # type: ignore[arg-type] # a fake
    assert line.label == "mean of 3 others of XNYS"
    assert line.price[:3].tolist() == pytest.approx([50.0, 50.0 * 3.1 / 3, 50.0 * (0.9 + 1.0) / 2])
    assert np.isnan(line.price[3:]).all(), "nobody traded any more"
    assert missing([line]) == "no reference for the same instrument elsewhere"


def test_the_same_instrument_elsewhere_is_a_line_of_its_own() -> None:
    (line,) = references(OWN, "XNAS", "AAA", Market({}, {"XETR": [25.0, 24.0]}), FROM_NS, TO_NS)  # type: ignore[arg-type]
    assert (line.label, line.price[:2].tolist()) == ("AAA on XETR", [50.0, 48.0])
    assert missing([line]) == "no reference for the market"
    drawn = candlestick(OWN, [], from_ns=FROM_NS, to_ns=TO_NS, zone=zone_of(ReportRequest(format="pdf")), lines=[line])
    assert "AAA on XETR" in drawn


def test_two_others_are_no_market_and_a_chart_says_what_it_has_not() -> None:
    assert lines_of(Market({"B": [1.0], "C": [2.0]})) == []
    assert lines_of(object()) == []
    assert missing([]) == "no reference for the market and the same instrument elsewhere"
