"""A history as arrays: what calibration is made from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewatch.alerts.labels import Label
from tapewatch.detection.calendars import boundaries, trading_days
from tapewatch.detection.features import GAP_BARS, profile_bin
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import DAY_NS, MINUTE_NS


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one symbol in time order, one a stamp, with the phase, the profile's bin and the day of each."""

    instrument: Instrument
    ts_ns: NDArray[np.int64]
    interval_ns: NDArray[np.int64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    phase: NDArray[np.int8]
    phase_from_ns: NDArray[np.int64]
    bin: NDArray[np.int64]

    def days(self) -> NDArray[np.int64]:
        """The UTC day of each bar."""
        return self.ts_ns // DAY_NS


def bars_of(batches: Iterable[TickBatch]) -> list[Bars]:
    """The bars in a tape, by symbol; records that are late, doubled, trades or without a price are left out."""
    found: dict[Instrument, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
    for batch in batches:
        for at, instrument in enumerate(batch.symbols):
            keep = np.flatnonzero((batch.symbol_id == at) & (batch.kind == Kind.BAR) & (batch.close > 0.0))
            if keep.size:
                times = np.stack([batch.ts_event_ns[keep], batch.interval_ns[keep]])
                found.setdefault(instrument, []).append((times, np.stack([batch.close[keep], batch.volume[keep]])))
    return [
        _bars(i, np.concatenate([p[0] for p in parts], 1), np.concatenate([p[1] for p in parts], 1))
        for i, parts in sorted(found.items())
    ]


def unlabelled(batches: Sequence[TickBatch], labels: Sequence[Label]) -> list[TickBatch]:
    """The tape without what labels speak of: calibration learns what is usual. Of a label's symbol the records go from
    a bar before its onset until so long after its end that the next follows a gap, over which no return is taken."""
    bar_ns = max((int(b.interval_ns.max()) for b in batches if len(b)), default=0)
    after_ns = (GAP_BARS + 1) * max(bar_ns, MINUTE_NS)
    kept = []
    for batch in batches:
        keep = np.ones(len(batch), bool)
        for at, symbol in enumerate(batch.symbols):
            for label in labels:
                if symbol == Instrument(label.venue, label.symbol):
                    begin_ns, end_ns = label.onset_ns - max(bar_ns, MINUTE_NS), label.end_ns + after_ns
                    inside = (batch.ts_event_ns >= begin_ns) & (batch.ts_event_ns <= end_ns)
                    keep &= ~(inside & (batch.symbol_id == at) & (batch.kind != Kind.HEARTBEAT))
        kept.append(batch.take(keep))
    return kept


def _bars(instrument: Instrument, times: NDArray[np.int64], values: NDArray[np.float64]) -> Bars:
    newest = np.maximum.accumulate(times[0])
    keep = np.concatenate([[True], times[0][1:] > newest[:-1]])
    (ts_ns, interval_ns), (close, volume) = times[:, keep], values[:, keep]
    starts, phases = boundaries(instrument.venue, int(ts_ns[0]), int(ts_ns[-1]) + 7 * DAY_NS)
    at = np.searchsorted(starts, ts_ns, "right") - 1
    begins, ends = trading_days(starts, phases)
    middle = ts_ns + interval_ns // 2
    bins = np.fromiter(map(profile_bin, phases[at], begins[at], ends[at], middle), np.int64, ts_ns.size)
    return Bars(instrument, ts_ns, interval_ns, close, volume, phases[at], starts[at], bins)
