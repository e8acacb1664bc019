"""A rule that holds for many ticks says so once a minute; the alert counts all of them."""

from tapewatch.detection.rules import Rule, compile_rules
from tapewatch.model.times import MINUTE_NS, SECOND_NS
from tests.unit.detection.support import BTC, TSLA, Run, bars, beat, calm, run, trade

FIVE = {"horizon": "5m", "pct": 3.0}
START_NS = 1_700_000_040 * SECOND_NS


def seconds(*, alert: str = "episode") -> Run:
    """Bars of a second: ten calm minutes, then ten minutes at a level 4 % higher."""
    rules = compile_rules("test", (Rule(name="move", detector="price_move", params=FIVE, alert=alert),))  # type: ignore[arg-type]
    return run(rules, bars(BTC, [*calm(600), *calm(600, 104.0)], START_NS, step_ns=SECOND_NS))


def test_a_jump_on_ticks_of_a_second_is_told_at_once_and_then_every_minute() -> None:
    found = seconds()
    onset_ns = START_NS + 600 * SECOND_NS
    assert [s.ts_event_ns - onset_ns for s in found.signals] == [i * MINUTE_NS for i in range(6)]
    assert {s.alert_id for s in found.signals} == {found.alerts[0].alert_id}


def test_the_alert_counts_those_that_were_not_written() -> None:
    last = seconds().alerts[-1]
    assert last.change != "fired"
    assert last.signals >= 299


def test_rules_whose_signals_are_alerts_write_each_of_them() -> None:
    found = seconds(alert="each")
    assert len(found.signals) == len(found.alerts) >= 299


def test_of_minutes_every_signal_is_written() -> None:
    rules = compile_rules("test", (Rule(name="move", detector="price_move", params=FIVE),))
    found = run(rules, bars(TSLA, [*calm(60), *calm(60, 104.0)]))
    assert [s.ts_event_ns for s in found.signals] == [found.signals[0].ts_event_ns + i * MINUTE_NS for i in range(5)]


def test_what_was_said_early_is_settled_however_soon_it_repeats() -> None:
    """In the cool-down nothing is open: each chunk is told early, and each has to be confirmed."""
    rule = Rule(name="move", detector="price_move", keep_firing_for="10s", cooldown="2h")
    first = [trade(START_NS + i * 5 * SECOND_NS, BTC, p) for i, p in enumerate([*calm(80), 108.0, *calm(80)])]
    again_ns = START_NS + 161 * 5 * SECOND_NS
    prices = (100.0, 103.5, 104.0, 104.5, 105.0)
    again = [trade(again_ns + i * 5 * SECOND_NS, BTC, p) for i, p in enumerate(prices)]
    end = beat(again_ns + 60 * SECOND_NS)
    signals = run(compile_rules("test", (rule,)), [*first, *again, end]).signals
    late = [s for s in signals if s.ts_event_ns >= again_ns]
    early = [s.signal_id for s in late if s.provisional]
    assert len(early) == 4
    assert {s.alert_id for s in late} == {None}
    assert [s.settles for s in late if s.settles] == early
