"""What every TickHistory promises."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Column, Fate, Kind, TickBatch, concat, make_batch
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS
from tapewatch.stores.memory import MemoryTickHistory
from tapewatch.stores.parquet import ParquetTickHistory
from tapewatch.stores.port import TickHistory

T0 = 1_744_034_400_000_000_000  # 2025-04-07T14:00:00Z
TSLA, BTC = Instrument("XNAS", "TSLA"), Instrument("binance", "BTC/USDT")
EVER = (-(2**63), 2**63 - 1)


@pytest.fixture(params=["memory", "parquet", "parquet, small files"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TickHistory]:
    if request.param == "memory":
        yield MemoryTickHistory()
        return
    small = request.param == "parquet, small files"
    parquet = ParquetTickHistory(tmp_path, max_rows=8, compact_at=3) if small else ParquetTickHistory(tmp_path)
    yield parquet
    parquet.close()


def _bars(n: int, start: int = 0, symbol: Instrument = TSLA, **columns: Column) -> TickBatch:
    i = np.arange(start, start + n)
    given: dict[str, Column] = {
        "kind": np.full(n, Kind.BAR),
        "offset": i,
        "ts_event_ns": T0 + i * MINUTE_NS,
        "interval_ns": np.full(n, MINUTE_NS),
        "open": 100.0 + i,
        "high": 102.0 + i,
        "low": 99.0 + i,
        "close": 101.0 + i,
        "volume": 10.0 + i,
    }
    return make_batch((symbol,), n, **(given | columns))


def _append(history: TickHistory, ticks: TickBatch, *, fate: Fate = Fate.JUDGED) -> None:
    start, end = int(ticks.offset[0]), int(ticks.offset[-1]) + 1
    history.append(ticks, np.full(len(ticks), fate, np.int8), start, end)


def _rows(history: TickHistory, span: tuple[int, int] = EVER) -> list[tuple[object, ...]]:
    return [row for batch in history.scan(*span) for row in _tuples(batch)]


def _tuples(ticks: TickBatch) -> list[tuple[object, ...]]:
    names = [ticks.symbols[i] for i in ticks.symbol_id.tolist()]
    columns = [c.tolist() for name, c in ticks.columns().items() if name != "symbol_id"]
    return [tuple(repr(v) for v in row) for row in zip(names, *columns, strict=True)]


def _assert_bars(got: Bars, ts_ns: list[int], **columns: list[float]) -> None:
    assert got.ts_ns.tolist() == ts_ns
    for name, values in columns.items():
        np.testing.assert_array_equal(getattr(got, name), values, err_msg=name)
    lengths = {len(c) for c in (got.ts_ns, got.open, got.high, got.low, got.close, got.volume)}
    assert lengths == {len(ts_ns)}
    assert got.ts_ns.dtype == np.int64
    assert got.close.dtype == np.float64


def test_an_empty_history_has_nothing(history: TickHistory) -> None:
    _assert_bars(history.bars("XNAS", "TSLA", *EVER, MINUTE_NS), [])
    assert _rows(history) == []
    assert history.flush() == 0


def test_ticks_come_back_as_they_were_appended_before_and_after_a_flush(history: TickHistory) -> None:
    ticks = _bars(5, volume=np.array([1.0, np.nan, 0.0, 1e300, 5e-324]), side=np.array([1, -1, 0, 0, 1]))
    ticks = ticks.take(slice(0, 5))
    _append(history, ticks)
    assert _rows(history) == _tuples(ticks)
    assert history.flush() == 5
    assert _rows(history) == _tuples(ticks)


def test_all_columns_keep_their_types(history: TickHistory) -> None:
    ticks = _bars(3, trade_id_hash=np.array([-(2**63), 0, 2**63 - 1]), ts_append_ns=np.array([1, 2, 3]))
    _append(history, ticks)
    history.flush()
    (back,) = history.scan(*EVER)
    for name, column in ticks.columns().items():
        assert back.columns()[name].dtype == column.dtype
        np.testing.assert_array_equal(back.columns()[name], column)


def test_ranges_that_were_taken_already_are_cut(history: TickHistory) -> None:
    ticks = _bars(10)
    _append(history, ticks.take(slice(0, 6)))
    history.flush()
    _append(history, ticks.take(slice(2, 5)))
    _append(history, ticks.take(slice(4, 8)))
    _append(history, ticks.take(slice(0, 10)))
    assert history.flush() == 10
    assert _rows(history) == _tuples(ticks)


def test_heartbeats_are_left_out_and_dead_records_have_no_row_but_both_are_archived(history: TickHistory) -> None:
    ticks = _bars(4, kind=np.array([Kind.BAR, Kind.HEARTBEAT, Kind.BAR, Kind.HEARTBEAT]))
    # Offset 4 to 6 are dead records: they are in no batch.
    history.append(ticks, np.zeros(4, np.int8), 0, 7)
    assert history.flush() == 7
    assert _rows(history) == _tuples(ticks.take(slice(0, 4, 2)))
    history.append(_bars(0), np.zeros(0, np.int8), 7, 9)
    assert history.flush() == 9


def test_the_arrays_of_the_caller_may_be_used_again_after_an_append(history: TickHistory) -> None:
    ticks = _bars(3)
    kept = _tuples(ticks)
    _append(history, ticks)
    ticks.close[:] = 0.0
    assert _rows(history) == kept


def test_fates_of_another_length_are_a_mistake_of_the_caller(history: TickHistory) -> None:
    with pytest.raises(ValueError, match="2 fates for 3 ticks"):
        history.append(_bars(3), np.zeros(2, np.int8), 0, 3)


def test_bars_of_their_own_interval_are_given_as_they_are(history: TickHistory) -> None:
    _append(history, _bars(4))
    got = history.bars("XNAS", "TSLA", T0, T0 + HOUR_NS, MINUTE_NS)
    _assert_bars(
        got,
        [T0 + i * MINUTE_NS for i in range(4)],
        open=[100.0, 101.0, 102.0, 103.0],
        high=[102.0, 103.0, 104.0, 105.0],
        low=[99.0, 100.0, 101.0, 102.0],
        close=[101.0, 102.0, 103.0, 104.0],
        volume=[10.0, 11.0, 12.0, 13.0],
    )


def test_bars_are_joined_to_longer_ones_aligned_to_their_interval(history: TickHistory) -> None:
    _append(history, _bars(10).take(slice(0, 6)))
    history.flush()
    _append(history, _bars(10).take(slice(6, 10)))  # one longer bar lies half in a file and half in the buffer
    five = 5 * MINUTE_NS
    _assert_bars(
        history.bars("XNAS", "TSLA", T0, T0 + HOUR_NS, five),
        [T0, T0 + five],
        open=[100.0, 105.0],
        high=[106.0, 111.0],
        low=[99.0, 104.0],
        close=[105.0, 110.0],
        volume=[60.0, 85.0],
    )


def test_trades_are_made_into_bars_in_tape_order(history: TickHistory) -> None:
    prices = np.array([10.0, 12.0, 9.0, 11.0])
    trades = make_batch(
        (BTC,), 4, close=prices, offset=np.arange(4), ts_event_ns=np.array([T0, T0, T0 + 5, T0 + MINUTE_NS])
    )
    _append(history, trades)
    _assert_bars(
        history.bars("binance", "BTC/USDT", T0, T0 + HOUR_NS, MINUTE_NS),
        [T0, T0 + MINUTE_NS],
        open=[10.0, 11.0],
        high=[12.0, 11.0],
        low=[9.0, 11.0],
        close=[9.0, 11.0],
        volume=[np.nan, np.nan],  # nobody told it: not zero
    )


def test_volume_that_is_told_for_some_ticks_is_the_sum_of_those(history: TickHistory) -> None:
    _append(history, _bars(3, volume=np.array([1.0, np.nan, 2.0])))
    _assert_bars(history.bars("XNAS", "TSLA", *EVER, HOUR_NS), [T0], volume=[3.0])


def test_bars_that_are_longer_than_the_interval_are_given_as_they_are(history: TickHistory) -> None:
    ticks = _bars(3, interval_ns=np.full(3, 7 * MINUTE_NS), ts_event_ns=T0 + np.array([1, 8, 15]) * MINUTE_NS)
    _append(history, ticks)
    got = history.bars("XNAS", "TSLA", T0, T0 + HOUR_NS, 5 * MINUTE_NS)
    _assert_bars(got, ticks.ts_event_ns.tolist(), close=ticks.close.tolist())


def test_a_bar_belongs_to_the_range_by_its_start(history: TickHistory) -> None:
    _append(history, _bars(20))
    five = 5 * MINUTE_NS
    got = history.bars("XNAS", "TSLA", T0 + 1, T0 + 2 * five + 1, five)
    # The bar of T0 starts before the range; that of T0 + 10 min starts in it and is whole, though it ends after it.
    _assert_bars(got, [T0 + five, T0 + 2 * five], volume=[85.0, 110.0])


@pytest.mark.parametrize("fate", [f for f in Fate if f != Fate.JUDGED])
def test_only_judged_ticks_make_bars_but_all_are_scanned(history: TickHistory, fate: Fate) -> None:
    ticks = _bars(4)
    history.append(ticks, np.array([0, fate, 0, fate], np.int8), 0, 4)
    got = history.bars("XNAS", "TSLA", *EVER, MINUTE_NS)
    _assert_bars(got, [T0, T0 + 2 * MINUTE_NS])
    assert _rows(history) == _tuples(ticks)


def test_a_late_tick_is_scanned_at_its_event_time(history: TickHistory) -> None:
    ticks = _bars(4, ts_event_ns=T0 + np.array([1, 2, 0, 3]) * MINUTE_NS)
    history.append(ticks, np.array([0, 0, Fate.LATE, 0], np.int8), 0, 4)
    assert _rows(history) == _tuples(ticks.take(np.array([2, 0, 1, 3])))


def test_symbols_are_told_apart_by_venue_and_name(history: TickHistory) -> None:
    symbols = (Instrument("a", "X"), Instrument("b", "X"), Instrument("a", "Y"), Instrument("a/../b", "X"))
    ids = np.array([0, 1, 2, 3, 0, 1, 2, 3])
    batch = make_batch(
        symbols, 8, symbol_id=ids, close=np.arange(8.0), offset=np.arange(8), ts_event_ns=T0 + np.arange(8)
    )
    _append(history, batch)
    history.flush()
    for i, symbol in enumerate(symbols):
        _assert_bars(history.bars(symbol.venue, symbol.symbol, *EVER, MINUTE_NS), [T0], open=[i], close=[i + 4.0])
    _assert_bars(history.bars("b", "Y", *EVER, MINUTE_NS), [])


def test_many_venues_and_days_are_scanned_in_order_of_event_time(history: TickHistory) -> None:
    rng = np.random.default_rng(4)
    parts = []
    for i in range(12):
        ts = np.sort(T0 + rng.integers(0, 4 * DAY_NS, 7))
        parts.append(_bars(7, 7 * i, (TSLA, BTC, Instrument("XLON", "VOD"))[i % 3], ts_event_ns=ts))
        history.append(parts[-1], np.full(7, Fate.LATE, np.int8), 7 * i, 7 * i + 7)
    whole = concat(parts)
    order = np.lexsort((whole.offset, whole.ts_event_ns))
    assert _rows(history) == _tuples(whole.take(order))
    inside = order[(whole.ts_event_ns[order] >= T0 + DAY_NS) & (whole.ts_event_ns[order] < T0 + 2 * DAY_NS)]
    assert _rows(history, (T0 + DAY_NS, T0 + 2 * DAY_NS)) == _tuples(whole.take(inside))


@pytest.mark.parametrize("interval_ns", [0, -1])
def test_an_interval_that_is_none_is_a_mistake_of_the_caller(history: TickHistory, interval_ns: int) -> None:
    with pytest.raises(ValueError, match="interval_ns must be positive"):
        history.bars("XNAS", "TSLA", *EVER, interval_ns)
