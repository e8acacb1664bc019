"""A rule that passes its threshold before its bar is over says so at once, and then says whether it stayed so."""

from dataclasses import replace

import msgspec

from tapewatch.detection.rules import Rule, compile_rules
from tapewatch.model.signals import Signal
from tapewatch.model.times import SECOND_NS
from tests.unit.detection.support import (
    BTC,
    PRE_NS,
    TSLA,
    Run,
    Tick,
    bars,
    batch_of,
    beat,
    calm,
    engine_for,
    feed,
    row,
    run,
    trade,
)

RULES = compile_rules("moves", (Rule(name="move", detector="price_move"), Rule(name="prints", detector="bad_print")))
START_NS = 1_700_000_040 * SECOND_NS
CALM = [trade(START_NS + i * 5 * SECOND_NS, BTC, price) for i, price in enumerate(calm(80))]
NEXT_NS = START_NS + 80 * 5 * SECOND_NS  # where a chunk begins


def course(*prices: float) -> Run:
    """These prices half a second apart within one chunk, and a heartbeat after it."""
    trades = [trade(NEXT_NS + i * SECOND_NS // 2, BTC, p) for i, p in enumerate(prices)]
    return run(RULES, [*CALM, *trades, beat(NEXT_NS + 20 * SECOND_NS)])


def told(found: Run) -> list[tuple[str, bool, str | None]]:
    return [(s.direction, s.provisional, s.outcome) for s in found.signals]


def test_a_move_within_a_chunk_is_told_at_its_trade_and_confirmed_at_the_end_of_the_chunk() -> None:
    found = course(100.5, 103.5, 104.0)
    early, final = found.signals
    assert (early.provisional, early.ts_event_ns, early.price) == (True, NEXT_NS + SECOND_NS // 2, 103.5)
    assert (final.provisional, final.ts_event_ns, final.outcome) == (False, NEXT_NS + 5 * SECOND_NS, "confirmed")
    assert final.settles == early.signal_id
    assert [a.change for a in found.alerts] == ["fired"]
    assert found.alerts[0].ts_event_ns == final.ts_event_ns
    assert (early.alert_id, final.alert_id) == (None, found.alerts[0].alert_id)


def test_a_move_that_is_gone_at_the_end_of_its_chunk_is_withdrawn_and_no_alert() -> None:
    found = course(100.5, 103.5, 100.2)
    early, back = found.signals
    assert (back.provisional, back.outcome, back.settles) == (False, "withdrawn", early.signal_id)
    assert back.direction == early.direction == "rise"
    assert (back.alert_id, back.price, back.score) == (None, 100.2, 0.0)
    assert found.alerts == []
    assert len({s.signal_id for s in found.signals}) == 2


def test_it_is_told_once_a_chunk_however_far_it_goes() -> None:
    assert told(course(103.5, 104.0, 104.5, 105.0)) == [("rise", True, None), ("rise", False, "confirmed")]


def test_a_rise_that_ends_as_a_fall_is_withdrawn_and_the_fall_is_final() -> None:
    assert told(course(103.5, 96.0)) == [("rise", True, None), ("drop", False, None), ("rise", False, "withdrawn")]


def test_what_an_open_alert_absorbs_is_not_told_early() -> None:
    trades = [trade(NEXT_NS + i * 5 * SECOND_NS, BTC, 100.0 + 3.5 * (i + 1)) for i in range(3)]
    found = run(RULES, [*CALM, *trades, beat(NEXT_NS + 60 * SECOND_NS)])
    assert [s.provisional for s in found.signals] == [True, False, False, False]


def test_what_was_withdrawn_leaves_no_mark() -> None:
    def rows(*prices: float) -> dict[str, bytes]:
        after = [trade(NEXT_NS + i * SECOND_NS, BTC, p) for i, p in enumerate(prices)]
        # The chunk's high stays in its row until the next one begins, and the step of prices for two thousand ticks.
        engine = engine_for(RULES)
        feed(engine, batch_of([*CALM, *after, beat(NEXT_NS + 20 * SECOND_NS)]))
        state = row(engine, BTC)
        return {name: state[name].tobytes() for name in state.dtype.names if name != "head"}

    assert rows(103.5, 100.2) == rows(100.0, 100.2)


def test_a_jump_that_the_pre_market_holds_back_is_pending_and_confirmed_by_the_next_bar() -> None:
    before = bars(TSLA, calm(60), PRE_NS, volume=0.0)
    after = bars(TSLA, [104.0, 104.1], before[-1].act_ns, volume=0.0)
    found = run(RULES, [*before, *after])
    early, final = found.fired("move")[:2]
    assert (early.provisional, final.outcome, final.settles) == (True, "confirmed", early.signal_id)
    assert early.ts_event_ns == final.ts_event_ns == after[0].at_ns
    assert (early.offset, found.of("move")[0].onset_ns) == (60, after[0].at_ns)


def test_one_that_comes_back_is_withdrawn_and_told_as_a_bad_print_only() -> None:
    before = bars(TSLA, calm(60), PRE_NS, volume=0.0)
    found = run(RULES, [*before, *bars(TSLA, [104.0, 100.0, 100.0], before[-1].act_ns, volume=0.0)])
    assert told(Run([], found.fired("move"), [], {})) == [("rise", True, None), ("rise", False, "withdrawn")]
    assert {a.rule for a in found.alerts} == {"prints"}


def test_a_bar_that_cannot_be_answers_for_no_other() -> None:
    before = bars(TSLA, calm(60), PRE_NS, volume=0.0)
    jump, broken, after = bars(TSLA, [104.0, 104.1, 104.2], before[-1].act_ns, volume=0.0)
    found = run(RULES, [*before, jump, replace(broken, low=-1.0), after])
    early, final = found.fired("move")[:2]
    assert (early.provisional, final.outcome, final.settles) == (True, "confirmed", early.signal_id)
    assert early.ts_event_ns == final.ts_event_ns == jump.at_ns


def test_any_cut_says_the_same() -> None:
    trades = [trade(NEXT_NS + i * SECOND_NS // 2, BTC, p) for i, p in enumerate((100.5, 103.5, 100.2, 104.0))]
    tape = [*CALM, *trades, beat(NEXT_NS + 20 * SECOND_NS)]
    whole, engine = run(RULES, tape), engine_for(RULES)
    parts = [feed(engine, batch_of([tick], [BTC], first=i)) for i, tick in enumerate(tape)]
    cut: list[Signal] = [s for part in parts for s in part.signals]
    assert [msgspec.json.encode(s) for s in cut] == [msgspec.json.encode(s) for s in whole.signals]
    assert parts[-1].rows.items() <= whole.rows.items()


def test_two_symbols_do_not_answer_for_each_other() -> None:
    other = msgspec.structs.replace(BTC, symbol="ETH/USDT")
    mine = [trade(NEXT_NS, BTC, 103.5), trade(NEXT_NS + SECOND_NS, BTC, 104.0)]
    both: list[Tick] = sorted([*CALM, *(replace(t, of=other) for t in CALM), *mine], key=lambda t: t.at_ns)
    found = run(RULES, [*both, trade(NEXT_NS + 2 * SECOND_NS, other, 100.0), beat(NEXT_NS + 20 * SECOND_NS)])
    assert {s.symbol for s in found.signals} == {BTC.symbol}
