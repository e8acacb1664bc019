"""The crossing of a planted event: the first bar at whose close the statistic of its class, computed from the planted
tape alone up to then, is as large as what the unplanted market does once in 100 symbol-days.

Before it the event is, by the yardstick that sizes are given in, not abnormal yet: a rise over four bars is at its
first bar what the market does anyway. The statistics are those of `tapewatch.feeds.simulator.units`, in the event's
direction:

- `drop`, `rise`, `market_selloff`: the return of one bar;
- `pump_dump`: the return of four;
- `flash_crash`: a fall over two bars, or what has been made good of it since, within six, where that is less. Sizes
  are given by what is made good at the sixth bar; here it counts as soon as it is there.

The others cross where they begin, by how they are planted: `volume_surge` has its whole size in its bar, `bad_print`
its own (an impossible factor, or a jump), and the unplanted market never misses a bar, so that a `stale_feed` is beyond
its yardstick at the first that does not come.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import Matching, Rate, score
from tapewatch.feeds.simulator import SimulatorConfig
from tapewatch.feeds.simulator.units import FALL_CELLS, PUMP_CELLS, RECOVER_CELLS, units
from tapewatch.feeds.simulator.universe import markets
from tapewatch.model.alerts import Alert
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import DAY_NS, MINUTE_NS

BAR_NS = MINUTE_NS
BY_BAR = Matching(bar_ns=BAR_NS)
AT_ONCE_KINDS = frozenset({"volume_surge", "bad_print", "stale_feed"})
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Closes:
    """One symbol's bars, in order: starts and logarithms of the closes."""

    ts_ns: NDArray[np.int64]
    log: Floats


def closes(batches: Iterable[TickBatch]) -> dict[Instrument, Closes]:
    """The bars of each symbol. Prices must be positive. Cost: one sort of the tape."""
    parts: dict[Instrument, list[tuple[NDArray[np.int64], Floats]]] = defaultdict(list)
    for batch in batches:
        bars = np.flatnonzero(batch.kind == Kind.BAR)
        bars = bars[np.argsort(batch.symbol_id[bars], kind="stable")]
        ends = np.searchsorted(batch.symbol_id[bars], np.arange(len(batch.symbols)), side="right")
        for symbol, mine in zip(batch.symbols, np.split(bars, ends), strict=False):
            parts[symbol].append((batch.ts_event_ns[mine], batch.close[mine]))
    return {
        symbol: Closes(np.concatenate([t for t, _ in of]), np.log(np.concatenate([c for _, c in of])))
        for symbol, of in parts.items()
    }


def yardstick(label: Label) -> float:
    """What the unplanted market does once in 100 symbol-days, as a log return of the label's symbol."""
    signed = label.size if label.direction == "rise" else -label.size
    return float(abs(np.log1p(signed))) / label.size_times


def statistic(kind: str, log: Floats, at: NDArray[np.int64]) -> Floats:
    """The statistic of a class at the close of each of the bars `at` of one symbol, from them and those before."""
    match kind:
        case "rise":
            return log[at] - log[at - 1]
        case "drop" | "market_selloff":
            return log[at - 1] - log[at]
        case "pump_dump":
            return log[at] - log[at - PUMP_CELLS]
        case "flash_crash":
            bottoms = at[:, None] - np.arange(1, RECOVER_CELLS + 1)
            fallen, made_good = log[bottoms - FALL_CELLS] - log[bottoms], log[at][:, None] - log[bottoms]
            best: Floats = np.minimum(fallen, made_good).max(axis=1)
            return best
    raise AssertionError(f"no statistic of {kind!r}")


def crossing_ns(label: Label, of: Mapping[Instrument, Closes]) -> int | None:
    """Start of the bar of the crossing, or None where the event never comes so far: what the market did by itself was
    against it. The tape must begin ten bars before the event."""
    if label.kind in AT_ONCE_KINDS:
        return label.onset_ns
    mine = of[Instrument(label.venue, label.symbol)]
    first, last = np.searchsorted(mine.ts_ns, [label.onset_ns, label.end_ns])
    at = np.arange(first, last + 1)
    beyond = at[statistic(label.kind, mine.log, at) >= yardstick(label)]
    return int(mine.ts_ns[beyond[0]]) if beyond.size else None


def days_beyond(config: SimulatorConfig, tape: Iterable[TickBatch]) -> dict[str, float]:
    """On how many of 100 symbol-days an unplanted market of one kind is beyond the yardstick of each statistic, and how
    often it falls as far as a `flash_crash` does with nothing made good: by so much the latter begins like any fall."""
    (market,) = markets(config)
    unit = units(config, market.kind)
    of = closes(tape)
    beyond: Counter[str] = Counter()
    days = 0
    for instrument, sigma in zip(market.instruments, market.sigma, strict=True):
        mine = of[instrument]
        for log in np.split(mine.log / sigma, np.flatnonzero(np.diff(mine.ts_ns // DAY_NS)) + 1):
            at, days = np.arange(FALL_CELLS + RECOVER_CELLS, log.size), days + 1
            beyond["move"] += bool(np.abs(np.diff(log)).max() >= unit.move)
            beyond["pump_dump"] += bool(statistic("pump_dump", log, at).max() >= unit.pump)
            beyond["flash_crash"] += bool(statistic("flash_crash", log, at).max() >= unit.crash)
            beyond["fall_of_a_crash"] += bool((log[at - FALL_CELLS] - log[at]).max() >= unit.crash)
    return {name: 100.0 * count / days for name, count in beyond.items()}


@dataclass(frozen=True, slots=True)
class Event:
    """How one event fared that crossed. Bars count from the crossing to the first telling, negative before it."""

    label: Label
    crossing_ns: int
    found: bool  # something opened, fired again or worsened within a bar of the crossing
    delay_bars: float | None  # None where nothing told of it from a bar before its onset to a bar after its end

    @property
    def early(self) -> bool:
        return not self.found and self.delay_bars is not None and self.delay_bars < 0.0

    @property
    def late(self) -> bool:
        return not self.found and self.delay_bars is not None and self.delay_bars > 0.0


@dataclass(frozen=True, slots=True)
class Crossed:
    """The events of one class that crossed, how many never did, and the precision of all that was told."""

    events: tuple[Event, ...]
    never: int
    precision: Rate

    @property
    def recall(self) -> Rate:
        """Told within a bar of the crossing."""
        return Rate(sum(event.found for event in self.events), len(self.events))

    @property
    def or_sooner(self) -> Rate:
        """Told by a bar after the crossing, as early as a bar before the onset."""
        return Rate(sum(event.found or event.early for event in self.events), len(self.events))


def judge(wanted: Sequence[Label], at_ns: Sequence[int | None], revisions: Sequence[Alert], family: str) -> Crossed:
    """Match by crossings (one a label), through the same matcher as by onsets.

    An event that crossed is found within a bar of that. An incident is true where it tells something between a bar
    before the crossing and a bar after the end: one that came earlier is a false one here. An event that never crossed
    counts neither as found nor as missed, and what is told of it is not false.
    Cost: two scorecards of a symbol's revisions for each label, and one of all.
    """
    of: dict[Instrument, list[Alert]] = defaultdict(list)
    for alert in revisions:
        of[Instrument(alert.venue, alert.symbol)].append(alert)
    events = tuple(
        _event(label, at, of[Instrument(label.venue, label.symbol)])
        for label, at in zip(wanted, at_ns, strict=True)
        if at is not None
    )
    moved = [label if at is None else replace(label, onset_ns=at) for label, at in zip(wanted, at_ns, strict=True)]
    precision = next(f.precision for f in score(moved, revisions, BY_BAR).families if f.family == family)
    return Crossed(events, sum(at is None for at in at_ns), precision)


def _event(label: Label, at_ns: int, revisions: Sequence[Alert]) -> Event:
    (told,) = score([label], revisions, Matching(bar_ns=BAR_NS, until_end=frozenset({label.kind}))).classes
    found = score([replace(label, onset_ns=at_ns)], revisions, BY_BAR).recall.successes == 1
    delay = None if told.median_delay_s is None else (told.median_delay_s * 1e9 + label.onset_ns - at_ns) / BAR_NS
    return Event(label, at_ns, found, delay)


def figures(crossed: Crossed) -> dict[str, object]:
    """For the results: recall and precision with n and interval, and how far from the crossing things were told."""
    delays = [e.delay_bars for e in crossed.events if e.delay_bars is not None]
    after = [(e.crossing_ns - e.label.onset_ns) / BAR_NS for e in crossed.events]
    return {
        "recall": rate_figures(crossed.recall),
        "or_sooner": rate_figures(crossed.or_sooner),
        "never_crossed": crossed.never,
        "early": sum(e.early for e in crossed.events),
        "late": sum(e.late for e in crossed.events),
        "untold": sum(e.delay_bars is None for e in crossed.events),
        "precision": rate_figures(crossed.precision),
        "crossing_bars_after_onset": _spread(after),
        "delay_bars": _spread(delays),
        "negative_delays": sum(d < 0.0 for d in delays),
    }


def rate_figures(rate: Rate) -> dict[str, object]:
    """A rate for the results."""
    return {"found": rate.successes, "of": rate.trials, "value": rate.value, "interval": rate.interval}


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median and 95th percentile (the value that as many do not exceed)."""
    if not values:
        return None
    median, p95 = np.quantile(values, [0.5, 0.95], method="inverted_cdf")
    return {"median": float(median), "p95": float(p95), "least": min(values), "most": max(values)}
