"""A small tape, stores that die at a chosen call, and what a pipeline leaves in its stores."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np

from tapewatch.detection.engine import Engine
from tapewatch.feeds.simulator import Plan, SimulatorConfig, market
from tapewatch.model.alerts import Alert
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import DeadLetter, Fate, FeedBatch, TickBatch, concat
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine
from tapewatch.runtime.pipeline import Pipeline, Sinks
from tapewatch.stores.memory import (
    MemoryAlertStore,
    MemoryCaseStore,
    MemoryDeadLetterStore,
    MemoryShardStore,
    MemoryTickHistory,
)
from tapewatch.stores.port import AlertQuery

SHARD = "tape"
NOW_NS = 1_795_000_000_000_000_000
MARKET = SimulatorConfig(
    seed=5,
    stocks=2,
    crypto=2,
    start=date(2025, 3, 3),
    days=3,
    interval_s=300,
    plan=Plan(rate=8.0, times=(3.0, 5.0), min_distance_min=30),
)
WRITES = ("commit", "drain", "ack", "upsert", "add", "audit_append", "append", "flush")


@dataclass(frozen=True)
class Tape:
    """A `Feed` over records in memory, up to `end`."""

    ticks: TickBatch
    dead: tuple[DeadLetter, ...]
    end: int
    identity: str = "memory"

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        for begin in range(start, self.end, limit):
            end = min(begin + limit, self.end)
            low, high = np.searchsorted(self.ticks.offset, [begin, end])
            dead = tuple(d for d in self.dead if begin <= d.offset < end)
            yield FeedBatch(self.ticks.take(slice(int(low), int(high))), dead, begin, end)

    def up_to(self, end: int) -> "Tape":
        return replace(self, end=end)


@cache
def tape() -> Tape:
    """A simulated market in which every 97th record cannot be read."""
    ticks = concat([batch.ticks for batch in market(MARKET).batches(0)])
    lost = ticks.offset % 97 == 50
    dead = tuple(
        DeadLetter(source="tape", position=int(at), offset=int(at), reason="torn", raw="?") for at in ticks.offset[lost]
    )
    return Tape(ticks.take(~lost), dead, len(ticks))


def engine(settings: RulesSettings | None = None) -> Engine:
    return build_engine(settings or RulesSettings())


def memory() -> Sinks:
    """Stores in memory, the tick history among them."""
    return Sinks(
        MemoryShardStore(), MemoryAlertStore(), MemoryCaseStore(), MemoryDeadLetterStore(), MemoryTickHistory()
    )


def claimed(sinks: Sinks, rules: RulesSettings | None = None, **options: Any) -> Pipeline:
    pipeline = Pipeline(SHARD, engine(rules), sinks, lambda: NOW_NS, **options)
    pipeline.claim()
    return pipeline


class CrashError(Exception):
    """Stands for the death of the process: whatever comes after it does not happen."""


@dataclass
class Fuse:
    """Lets so many calls pass, then every one fails: just before (`after` False) or just after it took effect."""

    calls: int
    after: bool = False
    seen: int = 0
    log: list[str] | None = None

    def call(self, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.seen += 1
        if self.log is not None:
            self.log.append(name)
        if self.seen > self.calls or (self.seen == self.calls and not self.after):
            raise CrashError(f"before {name}, call {self.seen}")
        result = method(*args, **kwargs)
        if self.seen == self.calls:
            raise CrashError(f"after {name}, call {self.seen}")
        return result


class _Fused:
    def __init__(self, store: object, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in WRITES:
            return method
        return lambda *args, **kwargs: self._fuse.call(name, method, *args, **kwargs)


def fused(sinks: Sinks, fuse: Fuse) -> Sinks:
    """The same stores behind one fuse: they outlive the crash, as a disk does."""
    stores = {name: cast(Any, _Fused(getattr(sinks, name), fuse)) for name in Sinks.__dataclass_fields__}
    return Sinks(**stores)


def results(sinks: Sinks) -> dict[str, Any]:
    """Everything that a pipeline left in its stores, save what the clock and the provenance of a claim wrote."""
    everything = AlertQuery(newest_first=False, limit=1_000_000)
    head, rows = sinks.shards.claim(SHARD, "nobody", "nothing")
    history = sinks.history
    assert history is not None
    ticks = list(history.scan(0, 2**62))
    return {
        "next": head.next,
        "fates": {Fate(f): n for f, n in head.fates.items() if n},
        "rows": sorted((r.key, r.data) for r in rows),
        "outbox": sinks.shards.drain(SHARD, 10),
        "alerts": [_bare(a) for a in sinks.alerts.page(everything)],
        "signals": [_bare(s) for s in sinks.alerts.signals(everything)],
        "incidents": sinks.alerts.incidents(everything),
        "changes": [(seq, _bare(a)) for seq, a in sinks.alerts.changes(0, 1_000_000) if a is not None],
        "dead": sinks.dead_letters.dead_letters(0, 1_000_000),
        "ticks": sorted(np.concatenate([t.offset for t in ticks]).tolist()),
    }


def _bare(item: Alert | Signal) -> Alert | Signal:
    return msgspec.structs.replace(item, timestamp_detection=None)


def preset_with(folder: Path, *changes: tuple[str, str]) -> RulesSettings:
    """The default rules with some of their text changed."""
    from importlib import resources

    text = resources.files("tapewatch.presets").joinpath("default.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "rules.toml"
    path.write_text(text)
    return RulesSettings(file=path)
