"""Where a planted event crosses its yardstick, and what counts as found around that."""

from collections.abc import Sequence

import numpy as np
import pytest
from benchmarks.quality.crossing import Closes, Crossed, closes, crossing_ns, days_beyond, figures, judge, yardstick
from benchmarks.quality.simulated import Size, null_config, planted, simulate
from msgspec.structs import replace

from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import Rate
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch, make_batch
from tapewatch.model.times import MINUTE_NS
from tests.unit.alerts.test_scorecard import NOON, alert, label

A = Instrument("XNAS", "A")
UNIT = 0.04  # log return: what the market does once in 100 symbol-days
ONSET = 20  # bars before the event


def event(kind: str, last: int, times: float = 1.5) -> Label:
    """An event of `times` the unit, from minute 0 to minute `last`."""
    sign = 1.0 if kind in {"rise", "pump_dump"} else -1.0
    size = abs(float(np.expm1(sign * times * UNIT)))
    way = "rise" if sign > 0 else "drop"
    return replace(label(kind), size=size, size_times=times, direction=way, end_ns=NOON + last * MINUTE_NS)


def tape(units: Sequence[float]) -> dict[Instrument, Closes]:
    """A flat price, then from minute 0 on these, in units away from it."""
    log = np.concatenate([np.zeros(ONSET), UNIT * np.asarray(units), np.zeros(5)])
    return {A: Closes(NOON + (np.arange(log.size) - ONSET) * MINUTE_NS, log)}


def minute(at_ns: int | None) -> float | None:
    return None if at_ns is None else (at_ns - NOON) / MINUTE_NS


@pytest.mark.parametrize("kind", ["rise", "drop", "market_selloff", "pump_dump", "flash_crash"])
@pytest.mark.parametrize("times", [1.0, 1.5, 2.0])
def test_the_yardstick_is_the_size_of_one(kind: str, times: float) -> None:
    assert yardstick(event(kind, 0, times)) == pytest.approx(UNIT)


@pytest.mark.parametrize(("close", "crosses"), [(-1.01, 0), (-0.99, None), (1.5, None)])
def test_a_drop_crosses_in_its_bar_or_never(close: float, crosses: int | None) -> None:
    assert minute(crossing_ns(event("drop", 0), tape([close]))) == crosses
    assert minute(crossing_ns(event("rise", 0), tape([-close]))) == crosses


def test_a_rise_of_four_bars_crosses_where_the_four_together_do() -> None:
    there = [0.375, 0.75, 1.125, 1.5]
    assert minute(crossing_ns(event("pump_dump", 13), tape([*there, *[1.0] * 10]))) == 2
    assert minute(crossing_ns(event("pump_dump", 13), tape([*[0.5 * x for x in there], *[0.2] * 10]))) is None


def test_what_was_there_before_the_event_counts_towards_it() -> None:
    of = tape([0.375, 0.75, 1.125, 1.5])
    of[A].log[ONSET - 4 : ONSET - 1] -= 0.4 * UNIT
    assert minute(crossing_ns(event("pump_dump", 3), of)) == 1


def test_a_crash_crosses_when_enough_of_it_is_made_good() -> None:
    back = [-0.75, -1.5, -1.25, -1.0, -0.75, -0.499, -0.25, 0.0]
    assert minute(crossing_ns(event("flash_crash", 7), tape(back))) == 5


def test_a_fall_that_is_not_made_good_or_not_of_two_bars_is_no_crash() -> None:
    assert minute(crossing_ns(event("flash_crash", 7), tape([-0.75, *[-1.5] * 7]))) is None
    slide = [-0.4, -0.8, -1.2, -1.6, -1.2, -0.8, -0.4, 0.0]
    assert minute(crossing_ns(event("flash_crash", 7), tape(slide))) is None


def test_nothing_after_a_bar_moves_its_crossing() -> None:
    there = [0.375, 0.75, 1.125]
    for after in (9.0, -9.0):
        assert minute(crossing_ns(event("pump_dump", 13), tape([*there, *[after] * 11]))) == 2


@pytest.mark.parametrize("kind", ["volume_surge", "bad_print", "stale_feed"])
def test_what_has_its_size_at_once_crosses_at_its_onset(kind: str) -> None:
    assert crossing_ns(label(kind, size_times=0.0, end_ns=NOON + 29 * MINUTE_NS), {}) == NOON


def _bars(symbols: tuple[Instrument, ...], ids: list[int], ts_ns: list[int], close: list[float]) -> TickBatch:
    """Bars, and heartbeats where the id is -1."""
    rows = np.array(ids, dtype=np.int32)
    kind = np.where(rows < 0, Kind.HEARTBEAT, Kind.BAR).astype(np.int8)
    times = np.array(ts_ns, dtype=np.int64)
    return make_batch(symbols, len(ids), symbol_id=rows, kind=kind, ts_event_ns=times, close=np.array(close))


def test_closes_are_those_of_each_symbol_over_all_batches() -> None:
    b = Instrument("XNAS", "B")
    first = _bars((A, b), [1, 0, -1], [1, 1, 2], [2.0, 3.0, 0.0])
    second = _bars((b,), [0], [5], [4.0])
    found = closes([first, second])
    assert {s: (c.ts_ns.tolist(), np.exp(c.log).round(9).tolist()) for s, c in found.items()} == {
        A: ([1], [3.0]),
        b: ([1, 5], [2.0, 4.0]),
    }


def crossed_at(minute_of_crossing: int, *tellings: float, direction: str = "drop") -> Crossed:
    """A crash of minutes 0 to 7 that crosses at this minute, told of at these."""
    at = NOON + minute_of_crossing * MINUTE_NS
    revisions = [
        alert(m, revision=i + 1, change="worsened" if i else "fired", onset_ns=NOON, direction=direction)
        for i, m in enumerate(tellings)
    ]
    return judge([event("flash_crash", 7)], [at], revisions, "price")


@pytest.mark.parametrize(
    ("told", "found", "early", "late"),
    [(3.9, 0, 1, 0), (4, 1, 0, 0), (5, 1, 0, 0), (6, 1, 0, 0), (6.1, 0, 0, 1), (-1, 0, 1, 0), (8, 0, 0, 1)],
)
def test_found_is_within_a_bar_of_the_crossing(told: float, found: int, early: int, late: int) -> None:
    crossed = crossed_at(5, told)
    assert crossed.recall == Rate(found, 1)
    assert crossed.or_sooner == Rate(found + early, 1)
    (one,) = crossed.events
    assert (one.early, one.late) == (bool(early), bool(late))
    assert one.delay_bars == pytest.approx(told - 5)


@pytest.mark.parametrize("told", [-1.1, 8.1])
def test_what_is_told_outside_of_the_event_is_no_telling_of_it(told: float) -> None:
    (one,) = crossed_at(5, told).events
    assert (one.found, one.early, one.late, one.delay_bars) == (False, False, False, None)


def test_worsening_at_the_crossing_finds_what_was_told_before_it() -> None:
    crossed = crossed_at(5, 1, 5)
    assert crossed.recall == Rate(1, 1)
    assert crossed.events[0].delay_bars == -4
    assert crossed.precision == Rate(1, 1)


def test_the_other_direction_finds_nothing() -> None:
    crossed = crossed_at(5, 5, direction="rise")
    assert crossed.recall == Rate(0, 1)
    assert crossed.events[0].delay_bars is None


@pytest.mark.parametrize(("told", "true"), [(3, 0), (4, 1), (8, 1), (9, 0)])
def test_an_incident_is_true_from_a_bar_before_the_crossing_to_a_bar_after_the_end(told: float, true: int) -> None:
    assert crossed_at(5, told).precision == Rate(true, 1)


def test_what_never_crosses_is_neither_found_nor_missed_nor_false() -> None:
    crossed = judge([event("flash_crash", 7)], [None], [alert(1)], "price")
    assert (crossed.events, crossed.never) == ((), 1)
    assert crossed.recall == Rate(0, 0)
    assert crossed.precision == Rate(1, 1)


def test_each_event_is_judged_by_its_own_symbols_alerts() -> None:
    other = replace(event("drop", 0), symbol="B")
    crossed = judge([event("drop", 0), other], [NOON, NOON], [alert(0, symbol="B")], "price")
    assert [e.found for e in crossed.events] == [False, True]


def test_the_figures_add_up() -> None:
    wanted = [replace(event("flash_crash", 7), symbol=s) for s in "ABCDE"]
    at = [NOON + 5 * MINUTE_NS] * 4 + [None]
    told = {"A": 4, "B": 2, "C": 7}
    revisions = [alert(m, incident=s, symbol=s) for s, m in told.items()]
    found = figures(judge(wanted, at, revisions, "price"))
    assert found["recall"] == {"found": 1, "of": 4, "value": 0.25, "interval": Rate(1, 4).interval}
    assert [found[k] for k in ("never_crossed", "early", "late", "untold", "negative_delays")] == [1, 1, 1, 1, 2]
    assert found["delay_bars"] == {"median": -1.0, "p95": 2.0, "least": -3.0, "most": 2.0}
    assert found["crossing_bars_after_onset"] == {"median": 5.0, "p95": 5.0, "least": 5.0, "most": 5.0}


@pytest.mark.parametrize("kind", ["drop", "pump_dump", "flash_crash"])
def test_planted_events_of_twice_the_size_cross_within_themselves(kind: str) -> None:
    market = planted("stock", kind, 2.0, Size(symbols=8, days=3))
    assert len(market.wanted) == 16
    for wanted, at in zip(market.wanted, market.at_ns, strict=True):
        assert at is not None
        assert wanted.onset_ns <= at <= wanted.end_ns
        assert kind != "flash_crash" or at >= wanted.onset_ns + 2 * MINUTE_NS


def test_an_unplanted_market_is_seldom_beyond_its_yardsticks_and_often_falls_as_far_as_a_crash() -> None:
    config = null_config("stock", Size(null_symbols=40, null_days=10))
    found = days_beyond(config, simulate(config))
    for statistic in ("move", "pump_dump", "flash_crash"):
        assert found[statistic] < 4.0, statistic
    assert found["fall_of_a_crash"] > 4.0
