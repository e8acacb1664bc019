"""Says where sessions are taken from the weekly pattern, as holidays and half-days of those days are not known."""

import logging
from collections.abc import Iterable, Iterator

import numpy as np

from tapewatch.detection.calendars import known_from_ns, known_until_ns, venue_info
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import DAY_NS, format_rfc3339

_log = logging.getLogger(__name__)


def looked_at(batches: Iterable[TickBatch]) -> Iterator[TickBatch]:
    """The batches, with the warnings that they call for."""
    known = KnownSessions()
    for batch in batches:
        known.look(batch)
        yield batch


class KnownSessions:
    """Looks at what is judged; warns once a venue. Cost: two numbers a batch, a look at its ticks where they may be
    outside."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}  # by venue, until it was warned of
        self._warned: set[str] = set()

    def look(self, ticks: TickBatch) -> None:
        """Warn of the venues that have ticks outside of their calendar's years."""
        if not len(ticks):
            return
        low, high = int(ticks.ts_event_ns.min()), int(ticks.ts_event_ns.max())
        for venue in {symbol.venue for symbol in ticks.symbols} - self._warned:
            begin, end = self._years(venue)
            if low < begin or high >= end:
                of_venue = np.array([symbol.venue == venue for symbol in ticks.symbols])
                mine = ticks.ts_event_ns[of_venue[ticks.symbol_id] & (ticks.kind != Kind.HEARTBEAT)]
                outside = mine[(mine < begin) | (mine >= end)]
                if len(outside):
                    self._warn(venue, int(outside[0]), begin, end)

    def _years(self, venue: str) -> tuple[int, int]:
        if venue not in self._known:
            hours = bool(venue_info(venue).calendar)
            self._known[venue] = (known_from_ns(venue), known_until_ns(venue)) if hours else (-(2**63), 2**63 - 1)
        return self._known[venue]

    def _warn(self, venue: str, at_ns: int, begin: int, end: int) -> None:
        self._warned.add(venue)
        _log.warning(
            "%s: sessions are known from %s to %s; beyond, as at %s, they follow the plain week: holidays and "
            "half-days count as whole days",
            venue,
            format_rfc3339(begin)[:10],
            format_rfc3339(end - DAY_NS // 2)[:10],
            format_rfc3339(at_ns),
        )
