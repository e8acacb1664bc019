"""Bad prints are held out of every window until the next ticks tell what they were; none is lost."""

from dataclasses import replace

import pytest

from tapewatch.model.ticks import Fate, Kind
from tapewatch.model.times import DAY_NS, MINUTE_NS, SECOND_NS
from tests.unit.detection.support import (
    BTC,
    NAN,
    PRE_NS,
    REGULAR_NS,
    TSLA,
    Run,
    Tick,
    bars,
    batch_of,
    beat,
    calm,
    changes,
    engine_for,
    feed,
    preset,
    run,
    trade,
    watching,
)

WARM = 30


def course(*closes: float, start_ns: int = REGULAR_NS, volume: float = 1000.0) -> Run:
    """Thirty calm bars around 100, then these closes, judged by `price_move` and `bad_print`."""
    ticks = bars(TSLA, [*calm(WARM), *closes], start_ns, volume)
    return run(watching(price_move={}, bad_print={}), ticks)


def onsets(found: Run, rule: str, start_ns: int = REGULAR_NS) -> list[int]:
    """Bars after the calm ones at which alerts of a rule began."""
    fired = [a for a in found.of(rule) if a.change == "fired"]
    return [(a.onset_ns - start_ns) // MINUTE_NS - WARM for a in fired]


def verdicts(found: Run) -> list[object]:
    return [s.details["verdict"] for s in found.fired("bad_print")]


@pytest.mark.parametrize("wrong", [1000.0, 10.0, 10_000.0, 1.0])
def test_a_print_off_by_ten_or_a_hundred_that_goes_back_is_a_bad_print_and_no_price_alert(wrong: float) -> None:
    found = course(wrong, 100.0, 100.0)
    assert (onsets(found, "bad_print"), onsets(found, "price_move")) == ([0], [])
    assert verdicts(found) == ["off_scale"]
    assert found.of("bad_print")[0].price == wrong
    assert "wrong unit or decimal" in found.of("bad_print")[0].message


def test_two_wrong_prints_in_a_row_are_both_reported() -> None:
    found = course(1000.0, 1001.0, 100.0)
    assert verdicts(found) == ["off_scale", "off_scale"]
    assert [s.ts_event_ns for s in found.fired("bad_print")] == [REGULAR_NS + (WARM + i) * MINUTE_NS for i in (0, 1)]
    assert onsets(found, "price_move") == []


def test_three_in_a_row_are_a_collapse_dated_to_its_first_tick() -> None:
    found = course(10.0, 10.1, 10.0, 10.05)
    assert (onsets(found, "price_move"), onsets(found, "bad_print")) == ([0], [])
    first = found.of("price_move")[0]
    assert (first.direction, first.severity, first.offset, first.price) == ("drop", "critical", WARM, 10.0)


def test_ticks_that_waited_enter_the_windows_in_their_order() -> None:
    found = course(10.0, 10.1, 10.2, *[10.2] * 12)
    calmer = next(a for a in found.of("price_move") if a.change == "recovering")
    assert [c for _, c in calmer.last_ticks] == [10.2] * 8
    early = next(s for s in found.signals if s.price == 10.0)
    assert early.ts_event_ns == REGULAR_NS + WARM * MINUTE_NS
    assert calmer.health.phase_bars == calmer.health.bars - 1  # all but the newest have been taken in


def test_in_the_pre_market_a_jump_that_reverts_is_a_bad_print_and_no_price_alert() -> None:
    found = course(106.0, 100.2, start_ns=PRE_NS)
    assert (onsets(found, "bad_print", PRE_NS), onsets(found, "price_move", PRE_NS)) == ([0], [])
    assert verdicts(found) == ["reverted"]


def test_in_the_pre_market_a_second_bar_at_the_new_level_confirms_dated_to_the_first() -> None:
    found = course(106.0, 105.5, start_ns=PRE_NS)
    assert (onsets(found, "bad_print", PRE_NS), onsets(found, "price_move", PRE_NS)) == ([], [0])
    assert found.of("price_move")[0].offset == WARM


def test_a_jump_that_is_neither_back_nor_confirmed_counts_after_three_bars() -> None:
    waiting = course(106.0, 102.0, 102.0, start_ns=PRE_NS)
    assert ([s.provisional for s in waiting.signals], waiting.alerts) == ([True], [])
    found = course(106.0, 102.0, 102.0, 102.0, start_ns=PRE_NS)
    assert onsets(found, "price_move", PRE_NS)[:1] == [0]


def test_a_jump_of_trades_that_is_neither_back_nor_confirmed_counts_after_three_minutes() -> None:
    trades = [trade(REGULAR_NS + i * SECOND_NS, BTC, p, NAN) for i, p in enumerate(calm(60))]
    last = trades[-1].at_ns
    trades += [trade(last + SECOND_NS, BTC, 106.0, NAN), trade(last + 182 * SECOND_NS, BTC, 102.0, NAN)]
    trades += [beat(last + 200 * SECOND_NS)]
    found = run(watching(price_move={}, bad_print={}), trades)
    assert [a.onset_ns for a in found.of("price_move")][:1] == [last + 6 * SECOND_NS]  # the end of its chunk


def test_where_volume_is_unknown_a_jump_waits_in_the_regular_session_too() -> None:
    waiting = course(106.0, volume=0.0)
    assert ([s.provisional for s in waiting.signals], waiting.alerts) == ([True], [])
    assert course(106.0, volume=NAN).alerts == []
    assert onsets(course(106.0, 106.0, volume=0.0), "price_move") == [0]


def test_in_the_regular_session_a_jump_fires_at_once() -> None:
    assert onsets(course(106.0), "price_move") == [0]


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"close": 0.0}, "not_positive"),
        ({"close": -5.0}, "not_positive"),
        ({"low": -1.0}, "not_positive"),
        ({"high": 99.0, "low": 101.0}, "crossed"),
        ({"high": 99.0}, "crossed"),
        ({"open": 200.0}, "crossed"),
        ({"open": 1.0}, "crossed"),
        ({"low": 150.0, "high": 160.0}, "crossed"),
    ],
)
def test_an_impossible_print_is_judged_at_once_and_leaves_no_trace(changed: dict[str, float], verdict: str) -> None:
    ticks = bars(TSLA, calm(WARM + 5))
    plain = replace(ticks[WARM], open=100.0, high=100.1, low=99.9, close=100.0)
    ticks[WARM] = replace(plain, **changed)  # type: ignore[arg-type]  # prices only
    found = run(watching(price_move={}, zscore={}, bad_print={}), ticks)
    assert [(s.rule, s.details["verdict"]) for s in found.signals] == [("bad_print", verdict)]
    assert found.alerts[0].ts_event_ns == plain.at_ns
    assert "held out of every baseline" in found.alerts[0].message


def test_of_a_first_print_that_is_impossible_nothing_is_said_to_have_come_before() -> None:
    found = run(watching(bad_print={}), bars(TSLA, [-1.0, *calm(WARM)]))
    assert " printed -1.00: a price that is not positive" in found.of("bad_print")[0].message


@pytest.mark.parametrize("scale", ["1e-07", "1e06"])
def test_prices_are_written_out_in_sentences(scale: str) -> None:
    ticks = bars(TSLA, [close * float(scale) for close in [*calm(WARM), 130.0, 130.0]])
    messages = [a.message for a in run(watching(price_move={}), ticks).of("price_move")]
    assert {"1e-07": "0.000013", "1e06": "130,000,000.00"}[scale] in messages[0]
    assert not any("e-" in text or "e+" in text for text in messages)


@pytest.mark.parametrize("close", [0.0, -1.0])
def test_an_impossible_print_reaches_no_window_even_where_no_rule_judges_it(close: float) -> None:
    ticks = bars(TSLA, calm(80))
    with_it = [*ticks[:40], replace(ticks[40], close=close, high=close, low=close, open=close), *ticks[41:]]
    assert [s.ts_event_ns for s in run(preset("prototype"), with_it).signals] == [
        s.ts_event_ns for s in run(preset("prototype"), [*ticks[:40], *ticks[41:]]).signals
    ]


def test_bad_prints_calm_down_and_their_alert_ends() -> None:
    found = course(1000.0, 100.0, *calm(25))
    assert changes(found.of("bad_print")) == [("fired", None), ("recovering", None), ("resolved", "data_returned")]
    assert found.of("bad_print")[1].message.endswith("; quiet since.")
    assert found.of("bad_print")[2].message.endswith("; over (data_returned).")


def test_a_tick_from_the_future_is_told_and_moves_no_clock() -> None:
    ticks = bars(TSLA, calm(WARM))
    early = replace(ticks[10], at_ns=ticks[10].at_ns + 5 * MINUTE_NS, append_ns=ticks[10].act_ns + MINUTE_NS)
    tape: list[Tick] = [*ticks[:11], early, *ticks[11:]]
    found = feed(engine_for(watching(bad_print={}, price_move={})), batch_of(tape))
    assert found.fates.count(Fate.FUTURE) == 1
    assert found.fates.count(Fate.JUDGED) == WARM
    (alert, *_) = found.alerts
    assert (alert.ts_event_ns, alert.onset_k, alert.details["verdict"]) == (early.at_ns, -1, "future")


@pytest.mark.parametrize("interval_ns", [MINUTE_NS, SECOND_NS, 0])
def test_a_tick_a_year_ahead_keeps_no_alert_open_and_chains_no_incident(interval_ns: int) -> None:
    kind = Kind.BAR if interval_ns else Kind.TRADE
    plain = bars(BTC, calm(9000), step_ns=interval_ns or SECOND_NS)
    ticks = [replace(t, interval_ns=interval_ns, kind=kind, trade_id=i + 1) for i, t in enumerate(plain)]
    early = replace(ticks[40], at_ns=ticks[40].at_ns + 365 * DAY_NS, append_ns=ticks[40].act_ns)
    broken = [replace(t, close=-1.0) for t in (ticks[8000], ticks[8020])]
    tape: list[Tick] = [*ticks[:41], early, *ticks[41:8000], broken[0], *ticks[8001:8020], broken[1], *ticks[8021:]]
    found = feed(engine_for(watching(bad_print={})), batch_of(tape)).alerts
    fired = [a for a in found if a.change == "fired"]
    assert [a.details["verdict"] for a in fired] == ["future", "not_positive"]
    assert [a.change for a in found[:3]] == ["fired", "recovering", "resolved"]
    assert found[2].ts_event_ns < broken[0].at_ns
    assert fired[0].incident_id != fired[1].incident_id


def test_a_minute_ahead_is_not_yet_the_future() -> None:
    ticks = [replace(t, append_ns=t.act_ns - MINUTE_NS) for t in bars(TSLA, calm(5))]
    assert feed(engine_for(watching(bad_print={})), batch_of(ticks)).fates == [Fate.JUDGED] * 5
