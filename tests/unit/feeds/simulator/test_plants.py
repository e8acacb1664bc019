"""Plants: where labels say they are, as large as they say, and nothing else touched."""

from collections import Counter
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pytest

from tapewatch.alerts.labels import ANOMALY_KINDS, TRAP_KINDS, Label
from tapewatch.detection.calendars import Phase, phases_at
from tapewatch.feeds.simulator import Plan, SimulatorConfig, labels, market, splits
from tapewatch.feeds.simulator.units import units
from tapewatch.feeds.simulator.universe import MarketKind, markets
from tapewatch.model.ticks import Column, Kind, TickBatch, concat
from tapewatch.model.times import HOUR_NS, MINUTE_NS, parse_rfc3339

BASE = SimulatorConfig(stocks=6, crypto=4, days=4)


def with_kinds(*kinds: str, **change: Any) -> SimulatorConfig:
    return replace(BASE, plan=Plan(kinds=kinds, times=(2.0, 2.0)), **change)


@lru_cache(maxsize=4)
def tape(config: SimulatorConfig) -> TickBatch:
    return concat([batch.ticks for batch in market(config).batches(0)])


def bars_of(config: SimulatorConfig, symbol: str) -> TickBatch:
    whole = tape(config)
    ids = [i for i, s in enumerate(whole.symbols) if s.symbol == symbol]
    return whole.take(np.flatnonzero((whole.symbol_id == ids[0]) & (whole.kind != Kind.HEARTBEAT)))


def returns_of(bars: TickBatch) -> Column:
    with np.errstate(divide="ignore", invalid="ignore"):  # bad prints have prices of zero
        return np.diff(np.log(bars.close), prepend=np.log(bars.open[0]))


def at(bars: TickBatch, ts_ns: int) -> int:
    return int(np.searchsorted(bars.ts_event_ns, ts_ns))


def by_symbol(found: list[Label]) -> dict[str, list[Label]]:
    return {s: [label for label in found if label.symbol == s] for s in {label.symbol for label in found}}


@pytest.mark.parametrize("mode", ["bars", "trades"])
def test_labels_lie_in_the_regular_session_after_the_warm_up(mode: Literal["bars", "trades"]) -> None:
    config = replace(BASE, mode=mode, days=12, plan=Plan(kinds=(*ANOMALY_KINDS, *TRAP_KINDS), warmup_days=2))
    found = labels(config)
    assert {label.kind for label in found} == {*ANOMALY_KINDS, *TRAP_KINDS}
    first = next(market(config).batches(0)).ticks.ts_event_ns[0]
    for label in found:
        assert label.onset_ns >= first + 2 * 23 * HOUR_NS
        assert label.end_ns >= label.onset_ns
        inside = phases_at(label.venue, np.array([label.onset_ns, label.end_ns]))
        assert set(inside.tolist()) <= {Phase.REGULAR, Phase.CONTINUOUS}


def test_there_is_at_most_one_plant_a_symbol_and_day_at_rate_one() -> None:
    found = [label for label in labels(replace(BASE, days=8)) if not label.is_trap]
    days = Counter((label.symbol, (label.onset_ns - 5 * HOUR_NS) // (24 * HOUR_NS)) for label in found)
    assert set(days.values()) == {1}
    assert len(found) >= 0.6 * (6 * 5 + 4 * 7)


def test_several_plants_of_one_day_keep_their_distance() -> None:
    config = replace(BASE, plan=Plan(kinds=("drop", "rise"), rate=4.0, min_distance_min=90))
    for mine in by_symbol(labels(config)).values():
        assert (np.diff([label.onset_ns for label in mine]) >= 90 * MINUTE_NS).all()
    assert len(labels(config)) > 2 * len(labels(replace(BASE, plan=Plan(kinds=("drop", "rise")))))


def test_a_lower_rate_plants_less() -> None:
    many, few = (labels(replace(BASE, days=20, plan=Plan(rate=rate))) for rate in (1.0, 0.25))
    assert 0.1 * len(many) < len(few) < 0.45 * len(many)


@pytest.mark.parametrize("kind", ANOMALY_KINDS)
def test_outside_of_its_plants_a_market_moves_as_if_nothing_were_planted(kind: str) -> None:
    planted = with_kinds(kind)
    found = labels(planted)
    assert found
    for symbol, mine in by_symbol(found).items():
        bars, calm = bars_of(planted, symbol), bars_of(replace(planted, plan=None), symbol)
        calm = calm.take(np.flatnonzero(np.isin(calm.ts_event_ns, bars.ts_event_ns)))
        touched = np.zeros(len(bars), dtype=np.bool_)
        for label in mine:
            fade = 31 * MINUTE_NS if kind in {"volume_surge", "stale_feed"} else MINUTE_NS
            touched |= (bars.ts_event_ns >= label.onset_ns) & (bars.ts_event_ns <= label.end_ns + fade)
        apart = np.abs(returns_of(bars) - returns_of(calm))[~touched]
        tick = 2.0 * np.max(10.0 ** -np.arange(2, 8)[np.array([_is_grid(calm.close, d) for d in range(2, 8)])][0])
        assert apart.max() <= tick / min(bars.close[bars.close > 0].min(), calm.close.min())
        assert (bars.volume[~touched] == calm.volume[~touched]).all()


def _is_grid(values: Column, digits: int) -> bool:
    return bool((np.round(values, digits) == values).all())


@pytest.mark.parametrize("kind", ["drop", "rise", "market_selloff"])
def test_a_move_is_as_large_as_its_label_says_and_stays(kind: str) -> None:
    config = with_kinds(kind)
    for label in labels(config)[:6]:
        bars, calm = bars_of(config, label.symbol), bars_of(replace(config, plan=None), label.symbol)
        i = at(bars, label.onset_ns)
        moved = (returns_of(bars) - returns_of(calm))[i]
        assert moved == pytest.approx(np.log1p(label.size if kind == "rise" else -label.size), abs=2e-3)
        assert label.direction == ("rise" if kind == "rise" else "drop")


def test_sizes_are_multiples_of_what_the_market_does_once_in_a_hundred_symbol_days() -> None:
    config = replace(with_kinds("drop"), crypto=0)
    unit = units(config, MarketKind.STOCK).move
    (stocks,) = markets(config)
    sigma = dict(zip((i.symbol for i in stocks.instruments), stocks.sigma, strict=True))
    for label in labels(config):
        assert label.size_times == 2.0
        assert -np.log1p(-label.size) == pytest.approx(2.0 * unit * sigma[label.symbol])


def test_once_in_a_hundred_symbol_days_holds_on_seeds_that_it_was_not_found_on() -> None:
    config = SimulatorConfig(seed=77, stocks=60, crypto=0, days=20, plan=None)
    unit = units(config, MarketKind.STOCK).move
    (stocks,) = markets(config)
    whole = tape(config)
    largest: list[float] = []
    for i in range(60):
        bars = whole.take(np.flatnonzero(whole.symbol_id == i))
        largest += list(np.abs(np.log(bars.close / bars.open)).reshape(20, 390).max(axis=1) / stocks.sigma[i])
    beyond = int((np.array(largest) > unit).sum())  # 12 expected of 1,200
    assert 3 <= beyond <= 30


def test_a_flash_crash_falls_and_recovers() -> None:
    config = with_kinds("flash_crash")
    for label in labels(config)[:6]:
        bars, calm = bars_of(config, label.symbol), bars_of(replace(config, plan=None), label.symbol)
        i, end = at(bars, label.onset_ns), at(bars, label.end_ns)
        away = np.log(bars.close / calm.close)
        away -= away[i - 1]
        assert away[i : end + 1].min() == pytest.approx(np.log1p(-label.size), abs=2e-3)
        assert abs(away[end]) < 2e-3


def test_a_pump_rises_on_volume_and_is_dumped() -> None:
    config = with_kinds("pump_dump")
    for label in labels(config)[:6]:
        bars, calm = bars_of(config, label.symbol), bars_of(replace(config, plan=None), label.symbol)
        i, end = at(bars, label.onset_ns), at(bars, label.end_ns)
        away = np.log(bars.close / calm.close)
        away -= away[i - 1]
        assert away[i : end + 1].max() == pytest.approx(np.log1p(label.size), abs=2e-3)
        assert away[end] < 0.3 * away[i : end + 1].max()
        assert (bars.volume[i : end + 1] >= 4 * calm.volume[i : end + 1]).all()


def test_a_volume_surge_comes_with_a_moderate_move() -> None:
    config = with_kinds("volume_surge")
    assert labels(config)
    for label in labels(config):
        bars = bars_of(config, label.symbol)
        i = at(bars, label.onset_ns)
        around = np.r_[i - 30 : i, i + 1 : i + 31]
        assert bars.volume[i] > 4 * np.median(bars.volume[around])
        robust = 1.4826 * np.median(np.abs(returns_of(bars)[around]))
        assert abs(returns_of(bars)[i]) > 1.5 * robust


def test_a_stale_feed_is_silent_while_others_go_on() -> None:
    config = with_kinds("stale_feed", days=2)
    whole = tape(config)
    for label in labels(config):
        bars = bars_of(config, label.symbol)
        assert not ((bars.ts_event_ns >= label.onset_ns) & (bars.ts_event_ns <= label.end_ns)).any()
        others = (whole.ts_event_ns >= label.onset_ns) & (whole.ts_event_ns <= label.end_ns) & (whole.kind == Kind.BAR)
        assert others.any()
        assert label.size == 1800.0


def test_a_bad_print_is_gone_in_the_next_bar() -> None:
    config = with_kinds("bad_print", days=10)
    notes = set()
    for label in labels(config):
        bars, calm = bars_of(config, label.symbol), bars_of(replace(config, plan=None), label.symbol)
        i = at(bars, label.onset_ns)
        notes.add(label.note)
        assert abs(bars.close[i] / calm.close[i] - 1) == pytest.approx(label.size, rel=0.02)
        assert bars.close[i + 1] == calm.close[i + 1]
        assert bars.open[i + 1] == calm.open[i + 1]
    assert {"", "price x 10", "price x 0"} < notes


def test_a_market_sell_off_takes_every_symbol_of_the_market_at_once() -> None:
    config = with_kinds("market_selloff", "drop", days=10)
    found = [label for label in labels(config) if label.kind == "market_selloff"]
    for event in {label.event for label in found}:
        members = [label for label in found if label.event == event]
        assert len({label.onset_ns for label in members}) == 1
        assert len(members) == (6 if members[0].venue == "XNAS" else 4)
        assert len({label.symbol for label in members}) == len(members)


def test_the_longest_event_fits_into_the_shortest_day() -> None:
    kinds = ("pump_dump", "flash_crash", "stale_feed")
    config = replace(BASE, start=date(2025, 11, 26), days=3, crypto=0, interval_s=300, plan=Plan(kinds=kinds))
    half_day = [label for label in labels(config) if label.onset_ns > parse_rfc3339("2025-11-28T00:00:00Z")]
    assert half_day
    session = [parse_rfc3339("2025-11-28T14:30:00Z"), parse_rfc3339("2025-11-28T18:00:00Z")]
    for label in half_day:
        if label.end_ns < session[1] + HOUR_NS:
            assert session[0] <= label.onset_ns <= label.end_ns < session[1]
    assert len(tape(config)) > 0


def test_a_level_shift_is_an_anomaly_and_then_a_trap() -> None:
    config = with_kinds("level_shift")
    shifts = [label for label in labels(config) if not label.is_trap]
    traps = [label for label in labels(config) if label.is_trap]
    assert len(shifts) == len(traps) > 0
    assert {label.kind for label in shifts} <= {"drop", "rise"}
    onset = {(label.symbol, label.event): label.onset_ns for label in shifts}
    for trap in traps:
        assert trap.kind == "level_shift"
        assert trap.onset_ns == onset[trap.symbol, trap.event] + 2 * MINUTE_NS


def test_a_volatility_regime_doubles_the_variance_and_moves_the_price_nowhere() -> None:
    config = with_kinds("volatility_regime")
    ratios = []
    for label in labels(config):
        bars, calm = bars_of(config, label.symbol), bars_of(replace(config, plan=None), label.symbol)
        i, end = at(bars, label.onset_ns + HOUR_NS), at(bars, label.end_ns)
        assert bars.close[end] == pytest.approx(calm.close[end], rel=1e-3)
        if end - i > 100:
            ratios.append(returns_of(bars)[i:end].var() / returns_of(calm)[i:end].var())
    assert np.median(ratios) == pytest.approx(2.0, rel=0.1)


def test_bursts_of_volume_at_open_and_close_leave_prices_alone() -> None:
    config = replace(with_kinds("open_close_volume"), crypto=0)
    for label in labels(config)[:8]:
        bars, calm = bars_of(config, label.symbol), bars_of(replace(config, plan=None), label.symbol)
        np.testing.assert_array_equal(bars.close, calm.close)
        inside = (bars.ts_event_ns >= label.onset_ns) & (bars.ts_event_ns < label.onset_ns + 5 * MINUTE_NS)
        assert inside.sum() == 5
        assert bars.volume[inside].sum() == pytest.approx(4 * calm.volume[inside].sum(), rel=1e-3)


def test_an_overnight_gap_happens_while_the_exchange_is_closed() -> None:
    config = with_kinds("overnight_gap")
    found = labels(config)
    assert found
    assert {label.venue for label in found} == {"XNAS"}
    for label in found:
        bars, calm = bars_of(config, label.symbol), bars_of(replace(config, plan=None), label.symbol)
        i = at(bars, label.onset_ns)
        extra = np.log(bars.open[i] / bars.close[i - 1]) - np.log(calm.open[i] / calm.close[i - 1])
        assert abs(np.expm1(extra)) == pytest.approx(label.size, abs=2e-3)


def test_a_split_is_announced_and_changes_price_and_volume_for_good() -> None:
    config = with_kinds("announced_split")
    announced = splits(config)
    assert len(announced) == len(labels(config)) > 0
    split = announced[0]
    bars, calm = bars_of(config, split.symbol), bars_of(replace(config, plan=None), split.symbol)
    i = at(bars, split.ts_ns)
    assert bars.ts_event_ns[i] == split.ts_ns
    until = next((at(bars, s.ts_ns) for s in announced[1:] if s.symbol == split.symbol), len(bars))
    np.testing.assert_allclose(calm.close[i:until] / bars.close[i:until], split.ratio, rtol=0.01)
    np.testing.assert_allclose(bars.volume[i:until] / calm.volume[i:until], split.ratio, rtol=0.01)


def test_trades_carry_the_same_plants() -> None:
    config = replace(with_kinds("drop", "bad_print"), mode="trades", stocks=0, crypto=2, days=2)
    found = labels(config)
    assert found
    for label in found:
        trades = bars_of(config, label.symbol)
        i, after = at(trades, label.onset_ns), at(trades, label.end_ns + 10_000_000_000)
        before = trades.close[i - 1]
        if label.kind == "drop":
            assert trades.close[after] / before - 1 == pytest.approx(-label.size, abs=0.4 * label.size)
        else:
            assert abs(trades.close[i] / before - 1) == pytest.approx(label.size, rel=0.3)
