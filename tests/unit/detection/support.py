"""Small tapes, few rule sets: a kernel is compiled once for each tuple of detectors, so tests share three of them."""

import os
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tapewatch.detection.calibration import Calibration, read_calibration
from tapewatch.detection.engine import Engine, Outcome
from tapewatch.detection.instruments import Facts
from tapewatch.detection.registry import detectors
from tapewatch.detection.rules import Rule, RuleSet, compile_rules, rule_set
from tapewatch.model.alerts import Alert
from tapewatch.model.instruments import Instrument
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import Fate, Kind, TickBatch, make_batch
from tapewatch.model.times import MINUTE_NS, parse_rfc3339

DATA = Path(os.environ.get("TAPEWATCH_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
NO_DATA = "the development data is not beside the checkout"
COMPILED = not os.environ.get("NUMBA_DISABLE_JIT")
"""False where kernels run as plain Python, some hundred times slower: for coverage."""
compiled_only = pytest.mark.skipif(not COMPILED, reason="its history as plain Python takes a minute")
"""For what runs lines that others have run: where nothing but the lines that are run is of interest."""

TSLA = Instrument("XNAS", "TSLA")
BTC = Instrument("binance", "BTC/USDT")
OPEN_NS = parse_rfc3339("2025-04-07T09:30:00-04:00")
REGULAR_NS = parse_rfc3339("2025-04-07T10:00:00-04:00")
PRE_NS = parse_rfc3339("2025-04-07T05:00:00-04:00")
NAN = float("nan")


@dataclass(frozen=True)
class Tick:
    """One record of a tape, readable in a test. `of` None is a heartbeat."""

    at_ns: int
    of: Instrument | None
    close: float = 0.0
    volume: float = 1000.0
    kind: Kind = Kind.BAR
    interval_ns: int = MINUTE_NS
    open: float | None = None
    high: float | None = None
    low: float | None = None
    side: int = 0
    trade_id: int = 0
    append_ns: int = 0

    @property
    def act_ns(self) -> int:
        return self.at_ns + self.interval_ns


def beat(at_ns: int) -> Tick:
    """A heartbeat."""
    return Tick(at_ns, None, kind=Kind.HEARTBEAT, interval_ns=0)


def trade(at_ns: int, of: Instrument, price: float, volume: float = 1.0, trade_id: int = 0) -> Tick:
    """One execution."""
    return Tick(at_ns, of, price, volume, Kind.TRADE, 0, trade_id=trade_id)


def bars(
    of: Instrument,
    closes: Sequence[float],
    start_ns: int = REGULAR_NS,
    volume: float = 1000.0,
    step_ns: int = MINUTE_NS,
) -> list[Tick]:
    """One-minute bars, one after another, each opening at the close before."""
    made = []
    for i, close in enumerate(closes):
        opened = closes[i - 1] if i and 0.5 < closes[i - 1] / close < 2.0 else close
        high, low = max(opened, close), min(opened, close)
        made.append(Tick(start_ns + i * step_ns, of, close, volume, open=opened, high=high, low=low))
    return made


def calm(n: int, price: float = 100.0, size: float = 1e-4) -> list[float]:
    """n closes that go up and down by `size`, so that there is a scale and nothing happens."""
    return [price * (1.0 + size * (1 if i % 2 else -1) * (1 + i % 3) / 3) for i in range(n)]


def batch_of(ticks: Sequence[Tick], symbols: Sequence[Instrument] | None = None, first: int = 0) -> TickBatch:
    """The records as columns, in this order, at the offsets from `first` on."""
    names = tuple(symbols if symbols is not None else dict.fromkeys(t.of for t in ticks if t.of is not None))
    ids = {name: i for i, name in enumerate(names)}

    def either(value: float | None, close: float) -> float:
        return close if value is None else value

    columns: dict[str, Any] = {
        "symbol_id": [ids[t.of] if t.of is not None else -1 for t in ticks],
        "kind": [t.kind for t in ticks],
        "ts_event_ns": [t.at_ns for t in ticks],
        "interval_ns": [t.interval_ns for t in ticks],
        "open": [either(t.open, t.close) for t in ticks],
        "high": [either(t.high, t.close) for t in ticks],
        "low": [either(t.low, t.close) for t in ticks],
        "close": [t.close for t in ticks],
        "volume": [t.volume for t in ticks],
        "side": [t.side for t in ticks],
        "trade_id_hash": [t.trade_id for t in ticks],
        "ts_append_ns": [t.append_ns for t in ticks],
        "offset": range(first, first + len(ticks)),
    }
    return make_batch(names, len(ticks), **{name: np.array(column) for name, column in columns.items()})


@cache
def calibration() -> Calibration:
    """The calibration that comes with tapewatch."""
    return read_calibration(resources.files("tapewatch.presets").joinpath("calibration.json").read_bytes(), "shipped")


@cache
def preset(name: str) -> RuleSet:
    """A preset of the tree, compiled."""
    return rule_set(tomllib.loads(resources.files("tapewatch.presets").joinpath(f"{name}.toml").read_text()))


def watching(**rules: dict[str, Any]) -> RuleSet:
    """All detectors (those of installed packages with them) in one kernel; only those named watch anything, with these
    fields of `Rule` (a rule is named after its detector)."""
    assert rules.keys() <= detectors().keys(), rules.keys() - detectors().keys()
    nobody: dict[str, Any] = {"symbols": ("nobody",)}
    made = (Rule(name=d.name, detector=d.name, **rules.get(d.name, nobody)) for d in detectors().values())
    return compile_rules("test", tuple(made))


def everything() -> RuleSet:
    """All detectors, on every symbol, with their defaults, but that few records out of order are a burst."""
    few = {"feed_disorder": {"params": {"least": 3, "share_pct": 1.0, "window": "1h"}}}
    return watching(**{name: few.get(name, {}) for name in detectors()})


def engine_for(rules: RuleSet, facts: Sequence[Facts] = ()) -> Engine:
    """A cold engine with the shipped calibration, and what is known of instruments."""
    known = {str(Instrument(f.venue, f.symbol)): f for f in facts}
    return Engine(rules, msgspec.structs.replace(calibration(), instruments=known))


def row(engine: Engine, of: Instrument) -> Any:
    """A symbol's hot row inside an engine, to look at."""
    table = engine._table
    return table.hot[table.slot_of[of]]


@dataclass(frozen=True)
class Run:
    """What came of a tape, and the state after it."""

    fates: list[Fate]
    signals: list[Signal]
    alerts: list[Alert]
    rows: dict[str, bytes]

    def of(self, rule: str) -> list[Alert]:
        """The alert revisions of one rule."""
        return [a for a in self.alerts if a.rule == rule]

    def fired(self, rule: str) -> list[Signal]:
        """The signals of one rule."""
        return [s for s in self.signals if s.rule == rule]

    def told(self) -> tuple[list[bytes], list[bytes]]:
        """Signals and alerts as the outside sees them, symbol by symbol within a record."""
        signals = sorted(self.signals, key=lambda s: (s.offset, s.venue, s.symbol))
        alerts = sorted(self.alerts, key=lambda a: (a.offset, a.venue, a.symbol))
        return [msgspec.json.encode(s) for s in signals], [msgspec.json.encode(a) for a in alerts]


def joined(runs: Iterable[Run]) -> Run:
    """Several parts of a run, or several shards, as one."""
    whole = Run([], [], [], {})
    for run in runs:
        whole = replace(
            whole,
            fates=whole.fates + run.fates,
            signals=whole.signals + run.signals,
            alerts=whole.alerts + run.alerts,
            rows=whole.rows | run.rows,
        )
    return whole


def feed(engine: Engine, batch: TickBatch) -> Run:
    """Process one batch and read everything that came of it."""
    outcome: Outcome = engine.process(batch)
    fates = [Fate(int(f)) for f in outcome.fates]
    return Run(fates, outcome.signals(), outcome.alerts(), dict(engine.changed_rows()))


def run(rules: RuleSet, ticks: Sequence[Tick], facts: Sequence[Facts] = ()) -> Run:
    """A tape in one batch through a cold engine."""
    return feed(engine_for(rules, facts), batch_of(ticks))


def changes(alerts: Iterable[Alert]) -> list[tuple[str, str | None]]:
    """What each revision tells, with its reason."""
    return [(a.change, a.reason) for a in alerts]
