"""The PDF of a backtest: its most severe incidents are charted from a second reading of the history."""

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind
from tapewatch.reports.backtest import backtest_pdf
from tapewatch.reports.content import Coverage, Episode, summarise
from tapewatch.reports.incidents import AROUND_NS, figure
from tapewatch.reports.port import ReportRequest
from tapewatch.runtime.backtest import Backtested
from tapewatch.runtime.history import History
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.memory import MemoryAlertStore, MemoryCaseStore
from tapewatch.stores.memory.history import MemoryTickHistory

CHARTS = 8
UTC_ZONE = ZoneInfo("UTC")
Span = tuple[Instrument, int, int]
"""A symbol, and the times from which and up to which its ticks are wanted."""


def _source(done: Backtested, side: int, ticks: MemoryTickHistory) -> StoreReportSource:
    """The newest revisions of one side, and the ticks around some of its incidents; no case is known of what nobody was
    told."""
    alerts = MemoryAlertStore()
    alerts.upsert(done.revisions[side], [])
    watched = Coverage(tuple(f"{s.venue}:{s.symbol}" for s in done.result.a.symbols), ())
    return StoreReportSource(alerts, MemoryCaseStore(), ticks, lambda _: watched, facts=done.facts)


def write_backtest_report(path: Path, done: Backtested, history: History) -> int:
    """Write the PDF; returns its bytes. Reads the history once more where there is something to chart."""
    ticks = MemoryTickHistory()
    sources = [_source(done, side, ticks) for side in range(len(done.revisions))]
    request = ReportRequest(format="pdf")
    chosen = [
        (source, episode)
        for source, ids in zip(sources, _only(done), strict=True)
        for episode in _episodes(source, request, ids)
    ]
    chosen = chosen[: CHARTS * len(sources)]
    _gather(history, ticks, [span for source, episode in chosen for span in _spans(source, episode)])
    figures = [figure(episode, request, source, UTC_ZONE) for source, episode in chosen]
    content = backtest_pdf(done.result, figures)
    path.write_bytes(content)
    return len(content)


def _only(done: Backtested) -> list[frozenset[str] | None]:
    """Which incidents of each side are charted: with two sides, those that the other has nothing like."""
    found = done.result.difference
    return [None] if found is None else [frozenset(found.only_a), frozenset(found.only_b)]


def _episodes(source: StoreReportSource, request: ReportRequest, ids: frozenset[str] | None) -> list[Episode]:
    alerts = ((a, c) for a, c in source.alerts(request) if ids is None or a.incident_id in ids)
    return list(summarise(alerts, UTC_ZONE, keep=0, charts=CHARTS).episodes)


def _spans(source: StoreReportSource, episode: Episode) -> list[Span]:
    """The symbol of an episode and what its chart holds it against, each with the chart's time."""
    own = (episode.worst.venue, episode.worst.symbol)
    begin, end = episode.onset_ns - AROUND_NS, episode.onset_ns + AROUND_NS
    peers = source.peers(*own, begin, end)
    return [(Instrument(*name), begin, end) for name in dict.fromkeys((own, *peers.others, *peers.elsewhere))]


def _gather(history: History, ticks: MemoryTickHistory, spans: Sequence[Span]) -> None:
    """Take the ticks of the spans from the history."""
    if not spans:
        return
    of_time: dict[tuple[int, int], set[Instrument]] = {}
    for symbol, begin, end in spans:
        of_time.setdefault((begin, end), set()).add(symbol)
    for batch in history.batches():
        keep = np.zeros(len(batch), bool)
        for (begin, end), symbols in of_time.items():
            near = (batch.ts_event_ns >= begin) & (batch.ts_event_ns < end) & (batch.kind != Kind.HEARTBEAT)
            if near.any():
                keep |= near & np.array([symbol in symbols for symbol in batch.symbols])[batch.symbol_id]
        if keep.any():
            part = batch.take(keep)
            ticks.append(part, np.zeros(len(part), np.int8), int(part.offset[0]), int(part.offset[-1]) + 1)
