"""Did the price move at these times? What no label knows of is judged by it: a real move, or nothing to see."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from tapewatch.model.alerts import Incident
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import MINUTE_NS

MOVED = 1.05
WITHIN_NS = 5 * MINUTE_NS


def moved(batches: Iterable[TickBatch], incidents: Sequence[Incident]) -> frozenset[str]:
    """The ids of the incidents within 5 minutes of whose onset the highest close is 5 % above the lowest, whatever the
    cut of the tape. Cost: a pass over the symbols concerned and a few comparisons an incident and batch."""
    of: dict[Instrument, list[Incident]] = defaultdict(list)
    for incident in incidents:
        of[Instrument(incident.venue, incident.symbol)].append(incident)
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for batch in batches:
        for at, symbol in enumerate(batch.symbols):
            if symbol not in of:
                continue
            mine = (batch.symbol_id == at) & (batch.kind != Kind.HEARTBEAT) & (batch.close > 0.0)
            times, close = batch.ts_event_ns[mine], batch.close[mine]
            for incident in of[symbol]:
                near = close[np.abs(times - incident.onset_ns) <= WITHIN_NS]
                if near.size:
                    key = incident.incident_id
                    low[key] = min(low.get(key, np.inf), float(near.min()))
                    high[key] = max(high.get(key, 0.0), float(near.max()))
    return frozenset(key for key in low if high[key] >= MOVED * low[key])
