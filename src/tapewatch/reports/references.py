"""What a chart holds a symbol against: the mean of the others of its market, and the same instrument elsewhere."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.bars import Bars
from tapewatch.model.market import ENOUGH_ACTIVE
from tapewatch.model.times import MINUTE_NS
from tapewatch.reports.charts import Line
from tapewatch.reports.content import MarketSource
from tapewatch.reports.port import ReportSource
from tapewatch.reports.words import plain

MOST_ELSEWHERE = 3


def references(bars: Bars, venue: str, symbol: str, source: ReportSource, from_ns: int, to_ns: int) -> list[Line]:
    """Lines in the price of `bars`, each scaled to meet it at its first close. Empty where there is nothing to hold it
    against, or fewer others than a market needs."""
    if not isinstance(source, MarketSource) or not len(bars.ts_ns):
        return []
    peers = source.peers(venue, symbol, from_ns, to_ns)
    grid = np.arange(from_ns, to_ns, MINUTE_NS, dtype=np.int64)
    anchor_ns, anchor = int(bars.ts_ns[0]), float(bars.close[0])
    read = [_closes(source.bars(v, s, from_ns, to_ns, MINUTE_NS), grid, anchor_ns) for v, s in peers.others]
    others = [course for course in read if course is not None]
    lines = []
    if len(others) >= ENOUGH_ACTIVE - 1:
        courses = np.vstack(others)
        known = np.isfinite(courses).sum(axis=0)
        mean = np.where(known > 0, np.nansum(courses, axis=0) / np.maximum(known, 1), np.nan)
        lines.append(Line(plain(f"mean of {len(others)} others of {peers.market}", 60), grid, anchor * mean))
    for v, s in peers.elsewhere[:MOST_ELSEWHERE]:
        course = _closes(source.bars(v, s, from_ns, to_ns, MINUTE_NS), grid, anchor_ns)
        if course is not None:
            lines.append(Line(plain(f"{s} on {v}", 60), grid, anchor * course, "4 2"))
    return lines


def missing(lines: Sequence[Line]) -> str:
    """What a chart has to say of references that it does not show, in words; empty where it shows both kinds."""
    elsewhere = any(line.dashes for line in lines)
    parts = []
    if not any(not line.dashes for line in lines):
        parts.append("the market")
    if not elsewhere:
        parts.append("the same instrument elsewhere")
    return f"no reference for {' and '.join(parts)}" if parts else ""


def _closes(bars: Bars, grid: NDArray[np.int64], anchor_ns: int) -> NDArray[np.float64] | None:
    """The last close at each time of the grid over that at the anchor; None where there is none by then."""
    usable = np.isfinite(bars.close) & (bars.close > 0.0)
    times, closes = bars.ts_ns[usable], bars.close[usable]
    at_anchor = int(np.searchsorted(times, anchor_ns, side="right")) - 1
    if at_anchor < 0:
        return None
    places = np.searchsorted(times, grid, side="right") - 1
    course = np.full(len(grid), np.nan)
    course[places >= 0] = closes[places[places >= 0]] / closes[at_anchor]
    course[grid < anchor_ns] = np.nan
    course[grid > times[-1]] = np.nan
    return course
