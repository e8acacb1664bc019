"""One sell-off, one notice: the four coins of February 2025 in one tape, by the pipeline that runs live."""

import time
from pathlib import Path

from benchmarks.quality.bars import DATA
from tapewatch.model.times import format_rfc3339, parse_rfc3339
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.embedded import build_engine, make_pipeline, memory_sinks
from tapewatch.runtime.feeds import open_feed, with_sources
from tapewatch.stores.markets import MarketReader
from tapewatch.stores.memory import MemoryAlertStore
from tapewatch.stores.port import GroupQuery

COINS = ("ALGO", "AVAX", "FIL", "NEAR")
FROM_NS, TO_NS = parse_rfc3339("2025-02-03T01:54:00Z"), parse_rfc3339("2025-02-03T02:20:00Z")


def files() -> list[Path]:
    """One month of each coin."""
    return [DATA / "bars" / "binance" / f"{coin}USDT-1m-2025-02.csv.gz" for coin in COINS]


def measure() -> dict[str, object]:
    """What people are told of 01:54 to 02:20 on 3 February, and how much of the month is told with a group.

    A notice is a group's beginning, or an incident that opens or worsens and belongs to no group.
    """
    settings = Settings()
    feed = open_feed(with_sources(settings.feed, [str(path) for path in files()], {}))
    sinks = memory_sinks()
    make_pipeline(feed, build_engine(settings.rules), sinks, time.time_ns).run(feed, settings.engine.batch_ticks)
    assert sinks.groups is not None
    assert isinstance(sinks.alerts, MemoryAlertStore)
    groups = sinks.groups.groups(GroupQuery(newest_first=False, limit=1_000))
    told = [n for n in sinks.alerts.news(0, 1_000_000) if n.event != "resolved"]
    reader = MarketReader(sinks.groups)
    alone = [n for n in told if reader.group(n.incident) is None]
    inside = [g for g in groups if FROM_NS <= g.opened_ns <= TO_NS]
    return {
        "target": 1,
        "notices": len(inside) + sum(FROM_NS <= n.alert.ts_event_ns <= TO_NS for n in alone),
        "notices_ungrouped": sum(FROM_NS <= n.alert.ts_event_ns <= TO_NS for n in told),
        "members": sorted(m.symbol for g in inside for m in g.members),
        "recognised": [format_rfc3339(g.opened_ns) for g in inside],
        "month_groups": [f"{format_rfc3339(g.opened_ns)} {g.message}" for g in groups],
        "month_notices": len(groups) + len(alone),
        "month_notices_ungrouped": len(told),
    }
