"""Silence is told by heartbeats, or by the tick that ends it; dated to the moment at which it became too long."""

from dataclasses import replace

from tapewatch.model.times import HOUR_NS, MINUTE_NS, SECOND_NS, format_rfc3339
from tests.unit.detection.support import (
    BTC,
    NAN,
    OPEN_NS,
    REGULAR_NS,
    TSLA,
    Run,
    Tick,
    bars,
    beat,
    calm,
    changes,
    run,
    trade,
    watching,
)

BARS = bars(TSLA, calm(40))
LAST_NS = BARS[-1].act_ns
DEADLINE_NS = LAST_NS + 10 * MINUTE_NS  # ten times the usual distance


def course(*then: Tick, **params: object) -> Run:
    return run(watching(stale_feed={"params": params}), [*BARS, *then])


def test_a_heartbeat_after_the_deadline_tells_and_the_alert_is_dated_to_the_deadline() -> None:
    (alert,) = course(beat(DEADLINE_NS + 7 * SECOND_NS)).alerts
    assert (alert.ts_event_ns, alert.onset_ns, alert.onset_k) == (DEADLINE_NS, DEADLINE_NS, -1)
    assert (alert.alert_type, alert.direction, alert.category) == ("stale_feed", "none", "data_quality")
    assert "silent for 600 s in its session, where a tick every 60 s is usual" in alert.message


def test_at_the_deadline_itself_it_is_not_yet_too_long() -> None:
    assert course(beat(DEADLINE_NS)).alerts == []


def test_many_heartbeats_tell_it_once() -> None:
    assert len(course(*(beat(DEADLINE_NS + i * SECOND_NS) for i in range(100))).alerts) == 1


def test_the_next_tick_resolves_it() -> None:
    back = bars(TSLA, [100.0], DEADLINE_NS + MINUTE_NS)
    found = course(beat(DEADLINE_NS + SECOND_NS), *back)
    assert changes(found.alerts) == [("fired", None), ("resolved", "data_returned")]
    assert found.alerts[1].ts_event_ns == back[0].at_ns


def test_without_heartbeats_the_next_tick_tells_the_same() -> None:
    back = bars(TSLA, [100.0], DEADLINE_NS + MINUTE_NS)
    one, other = course(beat(DEADLINE_NS + SECOND_NS), *back).alerts, course(*back).alerts
    told = [(a.alert_id, a.revision, a.ts_event_ns) for a in one]
    assert [(a.alert_id, a.revision, a.ts_event_ns) for a in other] == told


def test_the_limits_of_its_patience_are_settings() -> None:
    (alert,) = course(beat(LAST_NS + HOUR_NS), at_most="5m").alerts
    assert alert.ts_event_ns == LAST_NS + 5 * MINUTE_NS
    (alert,) = course(beat(LAST_NS + HOUR_NS), factor=0.1, at_least="3m").alerts
    assert alert.ts_event_ns == LAST_NS + 3 * MINUTE_NS


def test_a_closed_market_is_not_silent() -> None:
    assert course(beat(LAST_NS + 10 * HOUR_NS), at_most="9h", at_least="8h").alerts == []


def test_ticks_that_are_held_or_cannot_be_are_not_silence() -> None:
    ticks = bars(BTC, calm(40), volume=NAN)
    held = bars(BTC, [106.0], DEADLINE_NS - 2 * MINUTE_NS, NAN)
    rules = watching(stale_feed={}, bad_print={})
    assert run(rules, [*ticks, *held, beat(DEADLINE_NS + SECOND_NS)]).of("stale_feed") == []
    later = run(rules, [*ticks, *held, beat(held[0].act_ns + 10 * MINUTE_NS + SECOND_NS)]).of("stale_feed")
    assert [a.ts_event_ns for a in later] == [held[0].act_ns + 10 * MINUTE_NS]
    wrong = [replace(t, close=-1.0) for t in bars(BTC, calm(15), ticks[-1].act_ns, NAN)]
    assert run(rules, [*ticks, *wrong]).of("stale_feed") == []


def test_held_ticks_at_the_end_of_the_session_start_no_timer_beyond_it() -> None:
    start = REGULAR_NS + 5 * HOUR_NS + 5 * MINUTE_NS
    ticks = bars(TSLA, calm(40), start)
    wrong = replace(bars(TSLA, [-1.0], start + 48 * MINUTE_NS)[0], open=-1.0, high=-1.0, low=-1.0)
    found = run(watching(stale_feed={}, bad_print={}), [*ticks, wrong, beat(start + 56 * MINUTE_NS)])
    assert found.of("stale_feed") == []


DAY = bars(BTC, calm(400))


def silent_from(ticks: list[Tick], *beats_after_ns: int) -> list[int]:
    """When, in ns after the last tick, it was told that nothing came."""
    last_ns = ticks[-1].act_ns
    found = run(watching(stale_feed={}), [*ticks, *(beat(last_ns + at) for at in beats_after_ns)])
    return [a.ts_event_ns - last_ns for a in found.of("stale_feed") if a.change == "fired" and a.ts_event_ns > last_ns]


def with_pauses(*minutes: int) -> list[Tick]:
    """A day's bars, with one pause of each length after every hundred."""
    ticks: list[Tick] = []
    for pause in minutes:
        start_ns = ticks[-1].act_ns + pause * MINUTE_NS if ticks else REGULAR_NS
        ticks += bars(BTC, calm(100), start_ns)
    return ticks


def test_a_feed_like_a_clock_is_missed_after_the_second_bar_that_does_not_come() -> None:
    assert silent_from(DAY, 2 * MINUTE_NS) == []
    assert silent_from(DAY, 2 * MINUTE_NS + 1) == [2 * MINUTE_NS]


def test_one_missing_bar_is_never_a_silence() -> None:
    gone = [tick for i, tick in enumerate(DAY) if i % 50 != 49]
    assert run(watching(stale_feed={}), [*gone, beat(gone[-1].act_ns)]).of("stale_feed") == []


def test_one_that_pauses_has_the_patience_that_its_pauses_ask_for() -> None:
    ticks = with_pauses(0, 4, 0, 3)
    (told,) = silent_from(ticks, HOUR_NS)
    assert 8.9 * MINUTE_NS < told < 9.1 * MINUTE_NS  # twice the longest, less a tenth that fades in five hours


def test_a_long_memory_fades() -> None:
    (told,) = silent_from([*with_pauses(0, 4), *bars(BTC, calm(2880), with_pauses(0, 4)[-1].act_ns)], HOUR_NS)
    assert 3.3 * MINUTE_NS < told < 4 * MINUTE_NS  # to 1/e in two days


def test_a_silence_that_was_told_makes_the_next_wait_longer_only_by_what_was_usual() -> None:
    back = bars(BTC, calm(100), DAY[-1].act_ns + 20 * MINUTE_NS)
    (told,) = silent_from([*DAY, *back], HOUR_NS)
    assert 3.8 * MINUTE_NS < told < 3.9 * MINUTE_NS  # twice the two minutes, faded by 100 bars


def test_bursts_of_trades_do_not_make_the_pauses_between_them_silences() -> None:
    at_ns, ticks = REGULAR_NS, []
    for burst in range(60):
        ticks += [trade(at_ns + i * SECOND_NS, BTC, 100.0, trade_id=burst * 100 + i + 1) for i in range(50)]
        at_ns = ticks[-1].at_ns + (10 + burst % 5) * MINUTE_NS
    found = run(watching(stale_feed={}), ticks).of("stale_feed")
    assert all(a.onset_ns < REGULAR_NS + 3 * HOUR_NS for a in found)  # it is known after three hours


def test_bars_of_four_hours_are_not_silent_between_two_of_them() -> None:
    ticks = [replace(t, interval_ns=4 * HOUR_NS) for t in bars(BTC, calm(40), step_ns=4 * HOUR_NS)]
    assert silent_from(ticks, 4 * HOUR_NS) == []
    assert silent_from(ticks, 4 * HOUR_NS + 1) == [4 * HOUR_NS]


def test_a_pause_of_the_pre_market_says_nothing_of_the_session() -> None:
    rare = bars(TSLA, calm(6), OPEN_NS - 2 * HOUR_NS, step_ns=16 * MINUTE_NS)  # the last 40 minutes before the open
    session = bars(TSLA, calm(300), OPEN_NS)
    (told,) = silent_from([*rare, *session], HOUR_NS)
    assert told == 2 * MINUTE_NS


def test_a_rule_that_is_over_tells_of_no_silence_after_its_end() -> None:
    ticks = bars(BTC, calm(400))
    last_ns = ticks[-1].act_ns

    def told(until_ns: int) -> list[tuple[str, str | None]]:
        rules = watching(stale_feed={"enabled_until": format_rfc3339(until_ns)})
        return changes(run(rules, [*ticks, beat(last_ns + HOUR_NS)]).alerts)

    assert told(last_ns + HOUR_NS) == [("fired", None)]
    assert told(last_ns + MINUTE_NS) == []
