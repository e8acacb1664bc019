"""Ticks that were judged live are judged again from the history that was kept of them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tapewatch.detection.engine import Engine
from tapewatch.feeds.heartbeats import acting_times
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind, TickBatch, make_batch
from tapewatch.model.times import MINUTE_NS
from tapewatch.runtime.config.settings import FeedSettings, RulesSettings
from tapewatch.runtime.embedded import build_engine
from tapewatch.runtime.history import EVER_NS, open_history
from tapewatch.stores.parquet import ParquetTickHistory, ParquetTickReader, reader

T0 = 1_744_034_400_000_000_000  # 2025-04-07T14:00:00Z
TSLA = Instrument("XNAS", "TSLA")
LENGTHS = (0, MINUTE_NS, 5 * MINUTE_NS)


def _tape(minutes: int = 60) -> TickBatch:
    """Trades, and bars of a minute and of five, as they come from a market: each bar at its end."""
    rows = sorted(
        (T0 + m * MINUTE_NS, ns) for m in range(1, minutes) for ns in LENGTHS if m * MINUTE_NS % (ns or 1) == 0
    )
    acting, interval_ns = np.array(rows).T
    n, kind = len(rows), np.where(interval_ns > 0, Kind.BAR, Kind.TRADE)
    columns = {"kind": kind, "interval_ns": interval_ns, "ts_event_ns": acting - interval_ns, "offset": np.arange(n)}
    return make_batch((TSLA,), n, close=100.0 + np.arange(n) % 3, volume=np.ones(n), **columns)


def _keep(root: Path, engine: Engine, ticks: TickBatch) -> Counter[int]:
    """Judge and keep, several files; how many records met which fate."""
    history, fates = ParquetTickHistory(root), engine.process(ticks).fates
    for first in range(0, len(ticks), 25):
        part = slice(first, first + 25)
        history.append(ticks.take(part), fates[part], first, first + 25)
        history.flush()
    history.close()
    return Counter(fates.tolist())


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_WINDOW_ROWS", 10)
    monkeypatch.setattr(reader, "_BATCH_ROWS", 4)


def test_bars_of_several_lengths_meet_the_fates_that_they_met_live(tmp_path: Path, small_windows: None) -> None:
    ticks = _tape()
    live = _keep(tmp_path / "history" / "tape", build_engine(RulesSettings()), ticks)
    assert live == {Fate.JUDGED: len(ticks)}
    again, engine = Counter[int](), build_engine(RulesSettings())
    for batch in open_history(FeedSettings(), [str(tmp_path)], {}, EVER_NS).batches():
        again += Counter(engine.process(batch).fates[batch.kind != Kind.HEARTBEAT].tolist())
    assert again == live


def test_judged_ticks_of_a_range_come_once_in_the_order_in_which_they_act(tmp_path: Path, small_windows: None) -> None:
    ticks = _tape()
    _keep(tmp_path, build_engine(RulesSettings()), ticks)
    for span in (EVER_NS, (T0 + 7 * MINUTE_NS, T0 + 31 * MINUTE_NS)):
        found = list(ParquetTickReader(tmp_path).judged(*span))
        inside = (ticks.ts_event_ns >= span[0]) & (ticks.ts_event_ns < span[1])
        assert [o for b in found for o in b.offset.tolist()] == ticks.offset[inside].tolist()
        assert np.all(np.diff(np.concatenate([acting_times(b) for b in found])) >= 0)
