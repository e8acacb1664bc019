"""Real bars: incidents a day, known events found, listed bad prints told as such, and quiet at the turns of the day."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from benchmarks.quality.baseline import THRESHOLDS, naive
from tapewatch.alerts.bootstrap import block_rate
from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import score
from tapewatch.detection.backtest.moves import moved
from tapewatch.detection.backtest.run import run
from tapewatch.detection.backtest.summary import unlabelled
from tapewatch.detection.calendars import venue_info
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.rules import RuleSet
from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.ticks import Kind, TickBatch
from tapewatch.model.times import MINUTE_NS, SECOND_NS

DATA = Path(os.environ.get("TAPEWATCH_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
NEW_YORK = ZoneInfo("America/New_York")
TURNS = ((time(4), time(4)), (time(8), time(8, 5)), (time(9, 30), time(9, 35)), (time(16), time(16, 2)))
Event = tuple[str, str]  # local time, rise or drop


@dataclass(frozen=True, slots=True)
class Source:
    """A file, the days of it that calibration saw, its known events, and the prints that are listed as bad."""

    name: str
    path: str
    venue: str
    symbol: str
    target: float  # price incidents a day
    calibrated_until: str = ""  # local date; earlier days are not reported as unseen
    events: tuple[Event, ...] = ()
    bad: tuple[str, ...] = ()


CRASH = (("2025-02-03 01:54", "drop"), ("2025-02-03 02:07", "drop"))
SOURCES = (
    Source(
        "TSLA 2025-04", "TSLA_1min_sample.csv", "XNAS", "TSLA", 0.6,
        events=(("2025-04-07 10:10", "rise"), ("2025-04-07 10:18", "drop"), ("2025-04-09 13:19", "rise")),
        bad=("2025-04-07 08:03", "2025-04-08 08:00", "2025-04-09 08:02", "2025-04-21 08:00"),
    ),
    Source(
        "AAPL 2022", "yahoo/AAPL.csv.gz", "XNAS", "AAPL", 0.2, "2022-04-01",
        bad=("2022-03-15 16:59", "2022-03-16 18:30", "2022-03-18 18:30", "2022-04-04 18:28", "2022-04-12 17:31",
             "2022-04-12 17:33"),
    ),
    Source(
        "NFLX 2022", "yahoo/NFLX.csv.gz", "XNAS", "NFLX", 0.2, "2022-04-01",
        bad=("2022-04-04 17:57", "2022-04-08 16:57"),
    ),
    Source("TSLA 2022", "yahoo/TSLA.csv.gz", "XNAS", "TSLA", 0.2, bad=("2022-03-17 18:38",)),
    Source("SPY 2019-12", "yahoo/SPY.csv.gz", "XNAS", "SPY", 0.2),
    Source("ALGO 2025-02", "binance/ALGOUSDT-1m-2025-02.csv.gz", "binance", "ALGO/USDT", 0.6, "2025-02-15", CRASH),
    Source("AVAX 2025-02", "binance/AVAXUSDT-1m-2025-02.csv.gz", "binance", "AVAX/USDT", 0.6, "2025-02-15", CRASH),
    Source("FIL 2025-02", "binance/FILUSDT-1m-2025-02.csv.gz", "binance", "FIL/USDT", 0.6, events=CRASH),
    Source("NEAR 2025-02", "binance/NEARUSDT-1m-2025-02.csv.gz", "binance", "NEAR/USDT", 0.6, events=CRASH),
    Source(
        "FIL 2023-06", "binance/FILUSDT-1m-2023-06.csv.gz", "binance", "FIL/USDT", 0.6,
        events=(("2023-06-10 04:21", "drop"),),
    ),
)  # fmt: skip


def read(source: Source) -> list[TickBatch]:
    """The file as a tape."""
    settings = CsvSettings(symbol=source.symbol, venue=source.venue)
    feed = open_csv([str(DATA / "bars" / source.path)], settings, zone_of=lambda venue: venue_info(venue).zone)
    return [batch.ticks for batch in feed.batches(0)]


def _zone(source: Source) -> ZoneInfo:
    return ZoneInfo(venue_info(source.venue).zone)


def _local(source: Source, ns: int) -> datetime:
    return datetime.fromtimestamp(ns / SECOND_NS, _zone(source))


def _ns(source: Source, text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=_zone(source)).timestamp()) * SECOND_NS


def tells(alerts: Sequence[Alert], at_ns: int) -> bool:
    """Did one open, fire again or worsen within a bar of this time (bars are stamped with their start)?"""
    return any(a.change in ("fired", "refired", "worsened") and abs(a.ts_event_ns - at_ns) <= MINUTE_NS for a in alerts)


def covers(incidents: Sequence[Incident], at_ns: int) -> bool:
    """Does one of them begin within a bar of this time, or last over it? A second bad print joins the first's."""
    return any(i.onset_ns - MINUTE_NS <= at_ns <= max(i.onset_ns + MINUTE_NS, i.updated_ns) for i in incidents)


def trading_days(source: Source, batches: Sequence[TickBatch]) -> list[str]:
    times = np.concatenate([b.ts_event_ns[b.kind == Kind.BAR] for b in batches])
    hours = np.unique(times // (3600 * SECOND_NS)) * 3600 * SECOND_NS
    return sorted({_local(source, int(ns)).date().isoformat() for ns in hours})


def _at_turn(source: Source, incident: Incident) -> bool:
    at = _local(source, incident.onset_ns).time()
    return source.venue == "XNAS" and any(first <= at <= last for first, last in TURNS)


def _labels(source: Source) -> list[Label]:
    """The known events."""
    return [
        Label(
            event=event,
            kind=way,
            is_trap=False,
            venue=source.venue,
            symbol=source.symbol,
            onset_ns=_ns(source, at),
            end_ns=_ns(source, at),
            direction="rise" if way == "rise" else "drop",
            size=0.0,
            size_times=0.0,
        )
        for event, (at, way) in enumerate(source.events)
    ]


def measure(source: Source, rules: RuleSet, calibration: Calibration) -> dict[str, object]:
    """One row: all days, and those that calibration did not see."""
    batches = read(source)
    days = trading_days(source, batches)
    found = run(batches, rules, calibration)
    price, bad = found.price(), found.data_quality()
    per_day = Counter(_local(source, i.onset_ns).date().isoformat() for i in price)
    unseen = [d for d in days if d >= source.calibrated_until]
    rate, interval = block_rate([per_day[d] for d in days], [1] * len(days))
    unseen_rate, unseen_interval = block_rate([per_day[d] for d in unseen], [1] * len(unseen))
    card = score(_labels(source), found.revisions)
    unknown = unlabelled(card, found)
    real = moved(batches, unknown)
    price_alerts = [a for a in found.revisions if a.category != "data_quality"]
    prints = [_ns(source, at) for at in source.bad]
    threshold, naive_price, naive_found = baseline(source, batches, len(price), calibration)
    return {
        "file": source.name,
        "target": source.target,
        "days": len(days),
        "incidents": len(price),
        "per_day": rate,
        "interval": interval,
        "unseen_days": len(unseen),
        "unseen_per_day": unseen_rate,
        "unseen_interval": unseen_interval,
        "unknown_per_day": len(unknown) / len(days),
        "unknown_moved": _rate(source, days, [i for i in unknown if i.incident_id in real]),
        "unknown_calm": _rate(source, days, [i for i in unknown if i.incident_id not in real]),
        "events": len(source.events),
        "events_found": card.recall.successes,
        "bad_prints": len(prints),
        "bad_prints_told": sum(covers(bad, at) for at in prints),
        "bad_prints_as_price": sum(tells(price_alerts, at) for at in prints),
        "data_quality": len(bad),
        "at_turns": sum(_at_turn(source, i) for i in price),
        "rules": dict(Counter(a.rule for a in found.revisions if a.change == "fired")),
        "list": [f"{_local(source, i.onset_ns):%Y-%m-%d %H:%M} {i.direction} {i.message}" for i in price],
        "naive": {"threshold": threshold, "incidents": naive_price, "events_found": naive_found},
    }


def _rate(source: Source, days: Sequence[str], incidents: Sequence[Incident]) -> dict[str, object]:
    per_day = Counter(_local(source, i.onset_ns).date().isoformat() for i in incidents)
    rate, interval = block_rate([per_day[d] for d in days], [1] * len(days))
    return {"incidents": len(incidents), "per_day": rate, "interval": interval}


def baseline(
    source: Source, batches: Sequence[TickBatch], ours: int, calibration: Calibration
) -> tuple[float, int, int]:
    """(threshold, incidents, known events found) of the naive rule, at the smallest threshold that disturbs people no
    more often than ours, or else the largest."""
    for threshold in THRESHOLDS:
        found = run(batches, naive(threshold), calibration)
        if len(found.price()) <= ours:
            break
    return threshold, len(found.price()), score(_labels(source), found.revisions).recall.successes
