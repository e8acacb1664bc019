"""Bars from trades: what is in a chunk, when it closes, and who sees it."""

import numpy as np

from tapewatch.model.ticks import Kind
from tapewatch.model.times import SECOND_NS
from tests.unit.detection.support import BTC, Tick, batch_of, beat, calm, engine_for, feed, preset, row, run, trade

START_NS = 1_744_034_400 * SECOND_NS  # on the grid
RULES = preset("default")


def at(seconds: float, price: float, size: float = 1.0, side: int = 1) -> Tick:
    made = trade(START_NS + round(seconds * SECOND_NS), BTC, price, size)
    return Tick(made.at_ns, BTC, price, size, Kind.TRADE, 0, side=side)


def test_a_chunk_counts_what_was_traded_in_it() -> None:
    engine = engine_for(RULES)
    feed(
        engine,
        batch_of([at(0, 100.0, 2.0), at(0.0001, 100.5, 5.0), at(3, 99.875, 1.0, -1), at(4.999, 100.25, 1.0, -1)]),
    )
    chunk = row(engine, BTC).head.chunk
    assert chunk.end_ns == START_NS + 5 * SECOND_NS
    assert (chunk.open, chunk.high, chunk.low) == (100.0, 100.5, 99.875)
    assert (chunk.count, chunk.buys, chunk.sells) == (4, 2, 2)
    assert (chunk.volume, chunk.buy_volume, chunk.sell_volume, chunk.largest) == (9.0, 7.0, 2.0, 5.0)
    assert chunk.notional == 200.0 + 502.5 + 99.875 + 100.25
    assert (chunk.rush_buys, chunk.rush_sells) == (1, 0)  # the second buy shares its millisecond with the first


def test_the_side_that_a_feed_does_not_tell_is_that_of_the_price() -> None:
    engine = engine_for(RULES)
    feed(engine, batch_of([at(i, p, 1.0, 0) for i, p in enumerate((100.0, 100.5, 100.5, 100.0))]))
    chunk = row(engine, BTC).head.chunk
    assert (chunk.count, chunk.buys, chunk.sells) == (4, 2, 1)


def test_a_chunk_is_closed_by_the_next_trade_or_a_heartbeat_at_its_end_and_not_before() -> None:
    for closing, closed in ((at(4.9, 100.0), 0), (at(5.0, 100.0), 1), (beat(START_NS + 5 * SECOND_NS), 1)):
        engine = engine_for(RULES)
        feed(engine, batch_of([at(1, 100.0), closing], [BTC]))
        assert row(engine, BTC).head.recent_n == closed


def moving() -> list[Tick]:
    """Six minutes of calm trades, then four percent in one chunk."""
    quiet = [at(i * 1.7, p) for i, p in enumerate(calm(210))]
    return [*quiet, at(361, 104.0), at(362, 104.1), at(364.9, 104.0), at(367, 104.0)]


def test_what_a_chunk_tells_is_dated_to_its_end() -> None:
    found = run(RULES, moving())
    assert {a.rule for a in found.alerts} >= {"price_move_1m"}
    assert {a.onset_ns for a in found.of("price_move_1m")} == {START_NS + 365 * SECOND_NS}
    assert {a.onset_k for a in found.of("price_move_1m")} == {-1}


def test_cuts_and_heartbeats_do_not_change_what_a_chunk_tells() -> None:
    ticks = moving()
    whole = run(RULES, ticks)
    engine = engine_for(RULES)
    single = [s for i, t in enumerate(ticks) for s in feed(engine, batch_of([t], [BTC], first=i)).signals]
    assert [s.signal_id for s in single] == [s.signal_id for s in whole.signals]
    beaten = sorted([*ticks, *(beat(START_NS + i * SECOND_NS) for i in range(368))], key=lambda t: t.at_ns)
    assert {s.signal_id for s in run(RULES, beaten).signals} == {s.signal_id for s in whole.signals}


def test_trades_do_not_reach_the_windows_of_bars_one_by_one() -> None:
    engine = engine_for(RULES)
    feed(engine, batch_of([at(0.01 * i, 100.0 + 0.25 * (i % 2)) for i in range(400)], [BTC]))
    head = row(engine, BTC).head
    assert head.recent_n == 0
    assert np.all(head.scale["n"] == 0)
