"""The unplanted market: reproducible, resumable, heavy-tailed, clustered, correlated, with the hours of its venues."""

import time
from dataclasses import replace
from datetime import date
from typing import Any, Literal

import numpy as np
import pytest

from tapewatch.detection.calendars import Phase, phases_at
from tapewatch.feeds.simulator import Plan, SimulatorConfig, instruments, labels, market
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import Column, Kind, TickBatch, concat
from tapewatch.model.times import MINUTE_NS, SECOND_NS

Mode = Literal["bars", "trades"]
CALM = SimulatorConfig(stocks=4, crypto=3, days=3, plan=None)


def tape(config: SimulatorConfig, start: int = 0, limit: int = 100_000) -> TickBatch:
    return concat([batch.ticks for batch in market(config).batches(start, limit)])


def same(a: TickBatch, b: TickBatch) -> bool:
    return all(np.array_equal(c, b.columns()[n], equal_nan=c.dtype.kind == "f") for n, c in a.columns().items())


def closes(batch: TickBatch, symbol_id: int) -> Column:
    found: Column = batch.close[(batch.symbol_id == symbol_id) & (batch.kind != Kind.HEARTBEAT)]
    return found


@pytest.mark.parametrize("mode", ["bars", "trades"])
def test_one_seed_is_one_tape_and_another_is_another(mode: Mode) -> None:
    config = replace(CALM, mode=mode, days=2, stocks=2, crypto=1)
    first, second = tape(config), tape(replace(config))
    assert same(first, second)
    assert market(config).identity == market(replace(config)).identity
    other = replace(config, seed=2)
    assert not np.array_equal(tape(other).close[:500], first.close[:500])
    assert market(other).identity != market(config).identity


@pytest.mark.parametrize("mode", ["bars", "trades"])
def test_a_tape_entered_at_any_offset_is_the_rest_of_the_whole(mode: Mode) -> None:
    config = replace(CALM, mode=mode, stocks=2, crypto=1, plan=Plan(rate=2.0, min_distance_min=30), trades_per_min=3.0)
    whole = tape(config)
    np.testing.assert_array_equal(whole.offset, np.arange(len(whole)))
    rng = np.random.default_rng(5)
    for start in [0, 1, len(whole) - 1, *rng.integers(0, len(whole), 6)]:
        assert same(tape(config, int(start), 997), whole.take(slice(int(start), None)))
    assert list(market(config).batches(len(whole))) == []


def test_batches_join_without_a_hole_and_hold_no_more_than_the_limit() -> None:
    at = 0
    for batch in market(CALM).batches(0, 1000):
        assert batch.start == at
        assert batch.end - batch.start == len(batch.ticks) <= 1000
        at = batch.end


def test_a_symbol_does_not_depend_on_how_many_others_there_are() -> None:
    few, many = tape(CALM), tape(replace(CALM, stocks=9))
    np.testing.assert_array_equal(closes(few, 1), closes(many, 1))


def test_the_first_days_do_not_depend_on_how_many_follow() -> None:
    short, long = tape(CALM), tape(replace(CALM, days=5))
    assert same(short.take(slice(0, len(short) - 1)), long.take(slice(0, len(short) - 1)))


@pytest.mark.parametrize("mode", ["bars", "trades"])
def test_time_never_goes_back_and_a_heartbeat_stands_at_every_crossing_of_a_second(mode: Mode) -> None:
    whole = tape(replace(CALM, mode=mode, days=1, stocks=2, crypto=1))
    acting = whole.ts_event_ns + whole.interval_ns
    assert (np.diff(acting) >= 0).all()
    assert whole.kind[-1] == Kind.HEARTBEAT
    assert acting[-1] == -(-acting[-2] // SECOND_NS) * SECOND_NS
    records = np.flatnonzero(whole.kind != Kind.HEARTBEAT)
    crossed = records[1:][np.diff(acting[records] // SECOND_NS) > 0]
    assert (whole.kind[crossed - 1] == Kind.HEARTBEAT).all()
    np.testing.assert_array_equal(acting[crossed - 1], acting[crossed] // SECOND_NS * SECOND_NS)
    assert (whole.kind == Kind.HEARTBEAT).sum() == crossed.size + 1


def test_stocks_keep_the_hours_of_their_exchange_and_crypto_never_closes() -> None:
    whole = tape(replace(CALM, start=date(2025, 7, 3), days=4))  # a half-day, a holiday, a weekend
    stock, coin = whole.symbol_id == 0, whole.symbol_id == 4
    assert stock.sum() == 210
    assert (phases_at("XNAS", whole.ts_event_ns[stock]) == Phase.REGULAR).all()
    assert coin.sum() == 4 * 1440
    assert (np.diff(whole.ts_event_ns[coin]) == MINUTE_NS).all()


def test_days_of_stocks_alone_are_days_on_which_the_exchange_opens() -> None:
    whole = tape(replace(CALM, start=date(2025, 7, 3), days=3, crypto=0))
    assert (whole.symbol_id == 0).sum() == 210 + 390 + 390


@pytest.mark.parametrize("venue", ["XTKS", "XASX", "XLON", "XHKG"])
def test_exchanges_in_other_zones_have_their_own_hours(venue: str) -> None:
    whole = tape(replace(CALM, stock_venue=venue, crypto=0, days=2))
    stock = whole.symbol_id == 0
    assert stock.sum() > 2 * 300
    assert (phases_at(venue, whole.ts_event_ns[stock]) == Phase.REGULAR).all()


def test_extended_hours_are_thin_and_outside_of_the_session() -> None:
    whole = tape(replace(CALM, crypto=0, days=1, extended_hours=True))
    stock = whole.symbol_id == 0
    phases = phases_at("XNAS", whole.ts_event_ns[stock])
    assert [int((phases == p).sum()) for p in (Phase.PRE, Phase.REGULAR, Phase.POST)] == [330, 390, 240]
    volume = whole.volume[stock]
    assert volume[phases == Phase.PRE].mean() < 0.1 * volume[phases == Phase.REGULAR].mean()


def test_prices_are_whole_ticks_bars_are_not_crossed_and_volume_is_positive() -> None:
    whole = tape(CALM)
    bars = whole.take(np.flatnonzero(whole.kind == Kind.BAR))
    assert (bars.low > 0).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.volume > 0).all()
    stocks = bars.symbol_id < 4
    np.testing.assert_array_equal(bars.close[stocks], np.round(bars.close[stocks], 2))


def test_returns_are_heavy_tailed_clustered_and_correlated() -> None:
    config = SimulatorConfig(stocks=0, crypto=12, days=10, plan=None)
    whole = tape(config)
    returns = np.stack([np.diff(np.log(closes(whole, i))) for i in range(12)])
    scaled = returns / returns.std(axis=1, keepdims=True)
    assert np.median((scaled**4).mean(axis=1)) > 8  # a normal has 3
    size = np.abs(returns)
    assert np.mean([np.corrcoef(x[:-1], x[1:])[0, 1] for x in size]) > 0.05
    assert np.mean([np.corrcoef(x[:-1], x[1:])[0, 1] for x in returns]) == pytest.approx(0, abs=0.03)
    assert 0.15 < np.corrcoef(returns)[np.triu_indices(12, 1)].mean() < 0.4


def test_volume_and_volatility_of_stocks_have_the_shape_of_a_u() -> None:
    whole = tape(SimulatorConfig(stocks=20, crypto=0, days=5, plan=None))
    bars = whole.take(np.flatnonzero(whole.kind == Kind.BAR))
    minute = (bars.ts_event_ns // MINUTE_NS - bars.ts_event_ns.min() // MINUTE_NS) % 1440
    size = np.abs(np.log(bars.close / bars.open))
    for values in (bars.volume, size):
        opening, noon, closing = (values[(minute >= a) & (minute < a + 30)].mean() for a in (0, 180, 360))
        assert opening > 1.5 * noon
        assert closing > 1.15 * noon


def test_a_night_moves_the_price_of_a_stock_but_not_of_crypto() -> None:
    whole = tape(replace(CALM, days=3))
    for symbol_id, moved in ((0, True), (4, False)):
        mine = whole.take(np.flatnonzero(whole.symbol_id == symbol_id))
        first = np.flatnonzero(np.diff(mine.ts_event_ns) != MINUTE_NS) + 1 if moved else np.array([1440, 2880])
        gap = np.abs(np.log(mine.open[first] / mine.close[first - 1]))
        assert (gap > 1e-3).all() if moved else (gap < 1e-12).all()


def test_trades_are_about_as_many_as_asked_for_with_ids_that_are_not_repeated() -> None:
    whole = tape(replace(CALM, mode="trades", stocks=0, crypto=2, days=1, trades_per_min=10.0))
    trades = whole.take(np.flatnonzero(whole.kind == Kind.TRADE))
    assert len(trades) / 2 / 1440 == pytest.approx(10, rel=0.25)
    for symbol_id in (0, 1):
        mine = trades.trade_id_hash[trades.symbol_id == symbol_id]
        assert np.unique(mine).size == mine.size
    assert set(np.unique(trades.side)) == {-1, 1}
    assert (trades.interval_ns == 0).all()


def test_names_are_invented_and_distinct() -> None:
    found = instruments(replace(CALM, stocks=60, crypto=45))
    assert len(set(found)) == 105
    assert {i.venue for i in found} == {"XNAS", "binance"}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"stocks": 0, "crypto": 0},
        {"stocks": -1},
        {"days": 0},
        {"interval_s": 7},
        {"interval_s": 0},
        {"df": 2.0},
        {"trades_per_min": 0.0},
        {"stock_venue": "ZZZZ"},
        {"crypto_venue": "XNAS"},
        {"interval_s": 600, "plan": Plan()},
        {"mode": "trades", "crypto": 500},
        {"interval_s": 1, "crypto": 60},
    ],
)
def test_a_market_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        replace(CALM, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"kinds": ("drop", "spoofing")},
        {"kinds": ()},
        {"rate": -1.0},
        {"times": (2.0, 1.0)},
        {"times": (0.0, 1.0)},
        {"min_distance_min": 0},
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        replace(Plan(), **change)


def test_nothing_planted_means_no_labels() -> None:
    assert labels(CALM) == []


def test_a_million_bars_take_less_than_a_second_or_so() -> None:
    config = SimulatorConfig(stocks=60, crypto=60, days=6, plan=None)
    started = time.process_time()
    n = sum(len(batch.ticks) for batch in market(config).batches(0))
    assert n / (time.process_time() - started) > 500_000  # it does several million a second on an idle machine
