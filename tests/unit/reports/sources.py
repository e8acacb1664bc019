"""Report sources for tests: alerts from a list, bars from a function."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tapewatch.model.alerts import Alert, Case
from tapewatch.model.bars import Bars
from tapewatch.model.times import MINUTE_NS
from tapewatch.reports.port import ReportRequest
from tests.factories import make_bars

NO_BARS = Bars(ts_ns=np.zeros(0, np.int64), **{c: np.zeros(0) for c in ("open", "high", "low", "close", "volume")})


class ListSource:
    """Alerts that are at hand, in any order; filters as the port says."""

    def __init__(
        self, alerts: Sequence[Alert] = (), cases: dict[str, Case] | None = None, *, bars: bool = True
    ) -> None:
        self._alerts = sorted(alerts, key=lambda alert: (alert.onset_ns, alert.alert_id))
        self._cases = cases or {}
        self._bars = bars

    def alerts(self, request: ReportRequest) -> Iterator[tuple[Alert, Case | None]]:
        for alert in self._alerts:
            if (
                (request.from_ns is None or alert.onset_ns >= request.from_ns)
                and (request.to_ns is None or alert.onset_ns < request.to_ns)
                and request.symbol in {None, alert.symbol}
                and request.venue in {None, alert.venue}
                and (request.severity is None or alert.severity in request.severity)
            ):
                yield alert, self._cases.get(alert.alert_id)

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        assert interval_ns == MINUTE_NS
        return make_bars((to_ns - from_ns) // interval_ns, start_ns=from_ns) if self._bars else NO_BARS


class EndlessSource(ListSource):
    """`n` alerts that are made as they are asked for, so that a test can see who holds on to them."""

    def __init__(self, n: int, make: Callable[[int], Alert]) -> None:
        super().__init__()
        self._n, self._make = n, make

    def alerts(self, request: ReportRequest) -> Iterator[tuple[Alert, Case | None]]:
        return ((self._make(k), None) for k in range(self._n))
