"""The PDF of a backtest: its most severe incidents are charted from a second reading of the history."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tapewatch.model.alerts import Alert, Case
from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind
from tapewatch.reports.backtest import backtest_pdf
from tapewatch.reports.content import Episode, summarise
from tapewatch.reports.incidents import AROUND_NS, figure
from tapewatch.reports.port import ReportRequest
from tapewatch.runtime.backtest import Backtested
from tapewatch.runtime.history import History
from tapewatch.stores.memory.history import MemoryTickHistory

CHARTS = 8
UTC_ZONE = ZoneInfo("UTC")


class _Source:
    """A `ReportSource` over the newest revisions of one side, and the ticks around some of its incidents."""

    def __init__(self, revisions: Sequence[Alert], ticks: MemoryTickHistory) -> None:
        newest = {alert.alert_id: alert for alert in revisions}
        self._alerts = sorted(newest.values(), key=lambda a: (a.onset_ns, a.alert_id))
        self._ticks = ticks

    def alerts(self, request: ReportRequest) -> Iterator[tuple[Alert, Case | None]]:
        """As the port says; no case is known of what nobody was told."""
        for alert in self._alerts:
            inside = (request.from_ns is None or alert.onset_ns >= request.from_ns) and (
                request.to_ns is None or alert.onset_ns < request.to_ns
            )
            if inside and request.venue in (None, alert.venue) and request.symbol in (None, alert.symbol):
                yield alert, None

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As the port says, around the incidents that were asked for."""
        return self._ticks.bars(venue, symbol, from_ns, to_ns, interval_ns)


def write_backtest_report(path: Path, done: Backtested, history: History) -> int:
    """Write the PDF; returns its bytes. Reads the history once more where there is something to chart."""
    ticks = MemoryTickHistory()
    sources = [_Source(revisions, ticks) for revisions in done.revisions]
    request = ReportRequest(format="pdf")
    chosen = [
        (source, episode)
        for source, ids in zip(sources, _only(done), strict=True)
        for episode in _episodes(source, request, ids)
    ]
    chosen = chosen[: CHARTS * len(sources)]
    _gather(history, ticks, [episode for _, episode in chosen])
    figures = [figure(episode, request, source, UTC_ZONE) for source, episode in chosen]
    content = backtest_pdf(done.result, figures)
    path.write_bytes(content)
    return len(content)


def _only(done: Backtested) -> list[frozenset[str] | None]:
    """Which incidents of each side are charted: with two sides, those that the other has nothing like."""
    found = done.result.difference
    return [None] if found is None else [frozenset(found.only_a), frozenset(found.only_b)]


def _episodes(source: _Source, request: ReportRequest, ids: frozenset[str] | None) -> list[Episode]:
    alerts = ((a, c) for a, c in source.alerts(request) if ids is None or a.incident_id in ids)
    return list(summarise(alerts, UTC_ZONE, keep=0, charts=CHARTS).episodes)


def _gather(history: History, ticks: MemoryTickHistory, episodes: Sequence[Episode]) -> None:
    """Take the ticks around the episodes from the history."""
    spans = [
        (Instrument(e.worst.venue, e.worst.symbol), e.onset_ns - AROUND_NS, e.onset_ns + AROUND_NS) for e in episodes
    ]
    if not spans:
        return
    for batch in history.batches():
        keep = np.zeros(len(batch), bool)
        for symbol, begin, end in spans:
            if symbol in batch.symbols:
                near = (batch.ts_event_ns >= begin) & (batch.ts_event_ns < end) & (batch.kind != Kind.HEARTBEAT)
                keep |= near & (batch.symbol_id == batch.symbols.index(symbol))
        if keep.any():
            part = batch.take(keep)
            ticks.append(part, np.zeros(len(part), np.int8), int(part.offset[0]), int(part.offset[-1]) + 1)
