"""venue_divergence: which venue of a name its alert belongs to, how deep and how long, and what is none."""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tapewatch.alerts.rows import EVENTS
from tapewatch.detection.instruments import Facts
from tapewatch.detection.rules import Rule, compile_rule, rule_set
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.signals import Signal
from tapewatch.model.times import MINUTE_NS, SECOND_NS, format_rfc3339, parse_rfc3339
from tests.unit.detection.support import BTC, TSLA, Run, Tick, bars, beat, calm, changes, run, trade, watching

START_NS = parse_rfc3339("2025-02-03T00:00:00Z")
RULE = "venue_divergence"
KRAKEN, OKX, BYBIT = (Instrument(venue, BTC.symbol) for venue in ("kraken", "okx", "bybit"))
WARM = 70  # minutes before anything happens
Course = Callable[[int], float | None]
"""From the minute to the price in times of the usual; None where there is no bar."""


def near(minute: int) -> float:
    return 1.0


def away(times: float, since: int = WARM, until: int = 10**6) -> Course:
    """At so many times the others' price, from a minute on."""
    return lambda minute: times if since <= minute < until else 1.0


def tape(courses: Mapping[Instrument, Course], minutes: int = 120, volume: float = 5_000.0) -> list[Tick]:
    """Bars of a minute of each venue around one price, with a heartbeat a minute. `volume`: where a course is away."""
    found = [beat(START_NS + i * MINUTE_NS) for i in range(1, minutes + 3)]
    for at, (of, course) in enumerate(courses.items()):
        shaken = calm(minutes, 100.0, 2e-4 * (1 + at))
        times = [course(i) for i in range(minutes)]
        made = bars(of, [(t or 1.0) * c for t, c in zip(times, shaken, strict=True)], START_NS)
        for t, bar in zip(times, made, strict=True):
            if t is not None:
                found.append(bar if t == 1.0 else replace(bar, volume=volume))
    return sorted(found, key=lambda t: t.act_ns)


def judged(ticks: Sequence[Tick], facts: Sequence[Facts] = (), **fields: object) -> Run:
    return run(watching(venue_divergence=dict(fields), bad_print={}), ticks, facts)


def test_the_alert_is_of_the_venue_that_moved_away_from_one_other() -> None:
    (alert, *_) = judged(tape({BTC: near, KRAKEN: away(1.02)})).of(RULE)
    assert (alert.venue, alert.direction, alert.alert_type) == ("kraken", "none", RULE)
    assert alert.ts_event_ns == START_NS + (WARM + 3) * MINUTE_NS, "the third minute's end"
    assert alert.onset_k == -1
    assert alert.value == pytest.approx(2.0, abs=0.1)
    assert alert.change_pct == pytest.approx(alert.value)
    assert alert.details["other_venue"] == "binance"
    assert alert.price == pytest.approx(102.0, rel=1e-3)
    assert alert.details["other_price"] == pytest.approx(100.0, rel=1e-3)
    assert "that binance's " in alert.message
    assert "for 3 minutes, where 1 % is the limit" in alert.message


def test_a_venue_that_stays_while_all_others_move_is_the_one_that_left() -> None:
    alerts = judged(tape({BTC: away(0.96), KRAKEN: near, OKX: away(0.96)})).of(RULE)
    assert {a.venue for a in alerts} == {"kraken"}
    assert alerts[0].value > 4.0
    assert alerts[0].details["venues"] == 3.0
    assert "(the middle of 3 venues)" in alerts[0].message


def test_of_two_the_one_that_moves_the_more_for_it_left() -> None:
    """The one falls by 2 %, the other, which is ten times as lively, rises by 2 %."""
    lively = calm(120, 1.0, 1.5e-3)
    courses: dict[Instrument, Course] = {BTC: away(0.98), KRAKEN: lambda i: lively[i] * (1.02 if i >= WARM else 1.0)}
    assert {a.venue for a in judged(tape(courses)).of(RULE)} == {"binance"}


def test_a_market_that_falls_faster_here_than_there_is_told_of_where_it_fell_more() -> None:
    assert {a.venue for a in judged(tape({BTC: away(0.97), KRAKEN: away(0.90)})).of(RULE)} == {"kraken"}


def test_it_worsens_by_depth_calms_and_resolves() -> None:
    def course(i: int) -> float:
        return 1.0 if i < WARM or i >= WARM + 25 else (1.015 if i < WARM + 10 else 1.06)

    alerts = judged(tape({BTC: near, KRAKEN: course})).of(RULE)
    assert changes(alerts) == [
        ("fired", None),
        ("worsened", None),
        ("recovering", None),
        ("resolved", "reverted"),
    ]
    assert [a.severity for a in alerts[:2]] == ["medium", "critical"]


def test_a_premium_that_stays_is_learnt_and_told_once() -> None:
    alerts = judged(tape({BTC: near, KRAKEN: away(1.015)}, minutes=1500)).of(RULE)
    assert changes(alerts) == [("fired", None), ("recovering", None), ("resolved", "new_level")]


def test_the_pair_has_one_alert_while_the_market_goes_on() -> None:
    """After the one has left, both fall by a fifth: nobody left anybody."""
    market = away(0.8, WARM + 20)
    courses: dict[Instrument, Course] = {BTC: market, KRAKEN: lambda i: (market(i) or 0.0) * (away(1.03)(i) or 0.0)}
    alerts = judged(tape(courses)).of(RULE)
    assert [(a.venue, a.change) for a in alerts] == [("kraken", "fired")]


NONE_OF_IT: dict[str, dict[Instrument, Course]] = {
    "a constant premium": {BTC: near, KRAKEN: lambda _: 1.05},
    "a market that moves, on all venues": {BTC: away(0.9), KRAKEN: away(0.9), OKX: away(0.9)},
    "a market that moves, a minute later here": {BTC: away(0.9), KRAKEN: away(0.9, WARM + 1)},
    "two minutes": {BTC: near, KRAKEN: away(1.04, WARM, WARM + 2)},
    "less than the floor": {BTC: near, KRAKEN: away(1.008)},
    "another venue that is stale": {BTC: away(1.05), KRAKEN: lambda i: 1.0 if i < WARM else None},
    "one venue alone": {BTC: away(1.05)},
    "a bad print": {BTC: near, KRAKEN: away(10.0, WARM, WARM + 1)},
    "bad prints, each by itself": {BTC: near, KRAKEN: lambda i: 10.0 if i >= WARM and i % 2 else 1.0},
    "too few minutes to know what is usual": {BTC: near, KRAKEN: lambda i: None if i > 58 else away(1.03, 30)(i)},
    "other money": {BTC: near, Instrument("kraken", "BTC/USD"): away(1.05)},
}


@pytest.mark.parametrize("courses", NONE_OF_IT.values(), ids=NONE_OF_IT)
def test_this_is_none(courses: dict[Instrument, Course]) -> None:
    assert judged(tape(courses)).fired(RULE) == []


def test_what_is_usually_far_apart_has_to_be_further() -> None:
    """2 % up and down each minute is usual here: 3 % is no divergence, 40 % is."""
    restless = calm(WARM + 50, 1.0, 0.04)

    def fired(times: float) -> list[Signal]:
        def course(i: int) -> float:
            return restless[i] * (times if i >= WARM else 1.0)

        return judged(tape({BTC: near, OKX: near, KRAKEN: course})).fired(RULE)

    assert fired(1.03) == []
    assert fired(1.40)
    assert all(s.details["scale_source"] == "own_phase" and s.threshold > 5.0 for s in fired(1.40))


def test_a_minute_that_is_missing_neither_counts_nor_begins_anew() -> None:
    def course(i: int) -> float | None:
        return None if i == WARM + 1 else away(1.02)(i)

    (alert, *_) = judged(tape({BTC: near, KRAKEN: course})).of(RULE)
    assert alert.ts_event_ns == START_NS + (WARM + 4) * MINUTE_NS


def test_a_jump_that_may_yet_be_taken_back_counts_from_the_minute_after_it() -> None:
    (alert, *_) = judged(tape({BTC: near, KRAKEN: away(1.06)}, volume=1_000.0)).of(RULE)
    assert alert.ts_event_ns == START_NS + (WARM + 4) * MINUTE_NS


def test_no_data_ends_no_episode() -> None:
    def course(i: int) -> float | None:
        return away(1.03)(i) if i < WARM + 10 else None

    assert changes(judged(tape({BTC: near, KRAKEN: course}, minutes=200)).of(RULE)) == [("fired", None)]


def test_a_venue_that_is_too_new_to_compare_with_ends_no_episode_either() -> None:
    left = WARM + 10
    ticks = tape(
        {BTC: lambda i: 1.0 if i < left else None, KRAKEN: away(1.03), OKX: lambda i: 1.0 if i >= left else None}
    )
    assert changes(judged(ticks).of(RULE)) == [("fired", None)]


def test_an_episode_that_is_open_when_the_rule_s_time_is_over_calms_and_resolves() -> None:
    until = format_rfc3339(START_NS + (WARM + 20) * MINUTE_NS)
    found = judged(tape({BTC: near, KRAKEN: away(1.03)}, minutes=200), enabled_until=until).of(RULE)
    assert [change for change, _ in changes(found)] == ["fired", "recovering", "resolved"]


def test_the_money_of_the_instruments_file_tells_names_apart() -> None:
    ticks = tape({TSLA: near, Instrument("XETR", "TSLA"): away(1.03)})
    shifted = [replace(t, at_ns=t.at_ns + parse_rfc3339("2025-02-03T15:00:00Z") - START_NS) for t in ticks]
    assert judged(shifted).fired(RULE) == [], "dollars and euros"
    known = [Facts("TSLA", "XETR", currency="USD")]
    assert judged(shifted, known).fired(RULE)


def test_what_the_rule_does_not_watch_is_not_compared() -> None:
    ticks = tape({BTC: near, KRAKEN: away(1.03), OKX: near})
    assert judged(ticks, exclude=("kraken:*",)).fired(RULE) == []
    assert judged(ticks, exclude=("okx:*",)).fired(RULE)


def test_trades_are_compared_by_the_last_of_the_minute() -> None:
    ticks = [t for t in tape({BTC: near, KRAKEN: away(1.03)}) if t.of != KRAKEN]
    for i in range(120):
        price = 103.0 if i >= WARM else 100.0
        for s in (5, 50):
            ticks.append(trade(START_NS + i * MINUTE_NS + s * SECOND_NS, KRAKEN, price + s / 1e3, trade_id=99 * i + s))
    (alert, *_) = judged(sorted(ticks, key=lambda t: (t.act_ns, t.of is None))).of(RULE)
    assert alert.venue == "kraken"
    assert alert.price == pytest.approx(103.05)


def test_more_than_a_buffer_of_events_in_one_minute_are_told_all() -> None:
    """Each of so many names on two venues says something in the same minute: the pass stops, and goes on there."""
    many = EVENTS + 100
    pairs = [(Instrument("binance", f"C{i}/USDT"), Instrument("kraken", f"C{i}/USDT")) for i in range(many)]
    rules = watching(venue_divergence={"params": {"minutes": 1}})
    minutes = 62
    ticks = [beat(START_NS + i * MINUTE_NS) for i in range(1, minutes + 3)]
    for one, other in pairs:
        ticks += bars(one, calm(minutes), START_NS)
        *usual, last = bars(other, [*calm(minutes - 1), 102.0], START_NS)
        ticks += [*usual, replace(last, volume=5_000.0)]
    found = run(rules, sorted(ticks, key=lambda t: t.act_ns))
    assert [(s.venue, s.symbol) for s in found.signals] == sorted((str(o.venue), o.symbol) for _, o in pairs)


XBT = Instrument("bitmex", "XBTUSD")


@pytest.mark.parametrize(("common", "told"), [(BTC.symbol, {"bitmex"}), ("", set())])
def test_a_name_that_differs_by_venue_is_compared_where_the_instruments_file_says_what_it_is(
    common: str, told: set[str]
) -> None:
    facts = [Facts("XBTUSD", "bitmex", instrument=common)]  # in BTC/USDT the name says the money
    found = judged(tape({BTC: near, XBT: away(1.02)}), facts)
    assert {(a.venue, a.symbol) for a in found.of(RULE)} == {(venue, "XBTUSD") for venue in told}


def test_the_rules_of_the_how_to_page_can_be_used() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "compare-venues.md").read_text()
    block = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert block
    assert [r.name for r in rule_set(tomllib.loads(block[1])).rules] == [RULE, "bad_print"]


@pytest.mark.parametrize(
    ("params", "says"), [({"pct": 3.0}, "pct 3.0 < high_pct 2.0"), ({"minutes": 0}, "minutes 0 must be at least 1")]
)
def test_what_cannot_be_is_refused(params: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        compile_rule(Rule(name="r", detector=RULE, params=params))


def test_a_name_is_compared_up_to_sixteen_venues() -> None:
    venues = [Instrument(f"v{i:02d}", BTC.symbol) for i in range(20)]
    found = judged(tape({v: away(1.05) if i in (3, 19) else near for i, v in enumerate(venues)}))
    assert {a.venue for a in found.of(RULE)} == {"v03"}
    assert found.of(RULE)[0].details["venues"] == 16.0
