"""From events to signals, a column at a time: in a moving market there are many, and no person reads most of them."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np

from tapewatch.alerts.codes import CLOSED, OUTCOMES, PROVISIONAL, SIGNAL, WITHDRAWN
from tapewatch.alerts.rows import EVENT
from tapewatch.detection.detectors.bad_print import VERDICTS
from tapewatch.detection.detectors.base import Detector
from tapewatch.detection.peers import unpacked
from tapewatch.detection.rules import CompiledRule
from tapewatch.detection.stats.scale import SOURCES
from tapewatch.model import ids
from tapewatch.model.instruments import Instrument
from tapewatch.model.signals import Detail, Direction, Signal
from tapewatch.model.times import format_rfc3339

DIRECTIONS: dict[int, Direction] = {1: "rise", -1: "drop", 0: "none"}


def percent(price: float, before: float) -> float:
    """How far a price is from another, in percent; 0 where that is unknown."""
    return (price / before - 1.0) * 100.0 if before > 0.0 else 0.0


def rows_of(events: Any, wanted: Any) -> Any:
    """The wanted events as plain rows: reading a field of a record takes ten times as long."""
    return np.asarray(events)[wanted].view(EVENT)


def details_of(detector: Detector, values: Iterable[float], source: int) -> dict[str, Detail]:
    """A detector's own numbers by name, and where its scale came from."""
    found: dict[str, Detail] = {}
    parts = []
    for name, value in zip(detector.details, values, strict=False):
        found[name] = VERDICTS[int(value)] if name == "verdict" else value
        if name == "other_venue":
            parts.append(value)
    if parts:
        found["other_venue"] = unpacked(parts)
    found["scale_source"] = SOURCES[source]
    return found


def _own(stage: int, bar_ns: int, ts_ns: int, k: int) -> tuple[int, int]:
    """The time and k in a signal's id: what comes before a bar's end, or takes it back, is named after the bar."""
    if stage == PROVISIONAL:
        return bar_ns, ids.PROVISIONAL_K
    return (bar_ns, ids.WITHDRAWN_K) if stage == WITHDRAWN else (ts_ns, k)


def signals_of(
    rows: Any, rules: Sequence[CompiledRule], instruments: Sequence[Instrument], detected: str | None
) -> list[Signal]:
    """The signals of rows (n,) of EVENT, in order; about 10 us each."""
    episode = rows["episode"]
    columns = [
        rows[name].tolist() for name in ("rule", "slot", "direction", "event_ns", "k", "kind", "stage", "bar_ns")
    ]
    columns += [rows["offset"].tolist()]
    columns += [episode[name].tolist() for name in ("state", "onset_ns", "onset_k")]
    columns += [rows[name].tolist() for name in ("price", "score", "value", "threshold", "before", "source", "detail")]
    written: Callable[[int], str] = cache(format_rfc3339)  # many symbols have one time
    alert_id = cache(ids.alert_id)  # an episode has many signals
    found = []
    for (
        r, slot, towards, ts, k, kind, stage, bar, offset,
        state, onset, onset_k,
        price, score, value, threshold, before, source, detail,
    ) in zip(*columns, strict=True):  # fmt: skip
        rule, at, direction = rules[r], instruments[slot], DIRECTIONS[towards]
        named = (at.venue, at.symbol, rule.name, rule.version, direction)
        belongs = kind != SIGNAL or state != CLOSED
        found.append(
            Signal(
                signal_id=ids.signal_id(*named, *_own(stage, bar, ts, k)),
                alert_id=alert_id(*named, onset, onset_k) if belongs else None,
                rule=rule.name,
                rule_version=rule.version,
                detector=rule.detector.name,
                venue=at.venue,
                symbol=at.symbol,
                direction=direction,
                timestamp=written(ts),
                ts_event_ns=ts,
                k=k,
                provisional=bool(stage == PROVISIONAL),
                price=price,
                score=score,
                statistic=rule.detector.statistic,
                value=value,
                threshold=threshold,
                change_pct=percent(price, before),
                details=details_of(rule.detector, detail, source),
                offset=offset,
                settles=ids.signal_id(*named, bar, ids.PROVISIONAL_K) if stage in OUTCOMES else None,
                outcome=OUTCOMES.get(stage),
                timestamp_detection=detected,
            )
        )
    return found
