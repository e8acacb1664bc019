"""Rows of state: refused where their layout is unknown, under keys that read back, for any symbol and any time."""

from collections.abc import Iterator
from typing import Any

import pytest

from tapewatch.detection import state
from tapewatch.detection.calendars import Phase
from tapewatch.detection.features import season_bin
from tapewatch.detection.layout import LAYOUT
from tapewatch.model.errors import GiveUpError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS, parse_rfc3339
from tests.unit.detection.support import (
    BTC,
    COMPILED,
    REGULAR_NS,
    TSLA,
    Tick,
    bars,
    batch_of,
    beat,
    calm,
    engine_for,
    feed,
    preset,
    row,
    run,
    trade,
    watching,
)

RULES = preset("default")


def test_another_layout_number_is_refused() -> None:
    for key, data in run(RULES, bars(TSLA, calm(3))).rows.items():
        with pytest.raises(GiveUpError, match="another layout than this version's"):
            engine_for(RULES).load([(key, bytes([LAYOUT + 1]) + data[1:])])


def test_another_length_is_refused() -> None:
    for key, data in run(RULES, bars(TSLA, [*calm(30), 106.0])).rows.items():
        with pytest.raises(GiveUpError, match=r"must be rebuilt from the tape"):
            engine_for(RULES).load([(key, data + b"\0" * 8)])


@pytest.mark.parametrize("venue", ["XNAS", "binance", "a|b", "*", "%2A", "Börse"])
@pytest.mark.parametrize("symbol", ["TSLA", "BTC/USDT", "A|B", "*", "|", "%7C", "ключ"])
def test_rows_of_any_name_read_back(venue: str, symbol: str) -> None:
    of = Instrument(venue, symbol)
    rows = run(RULES, bars(of, calm(3))).rows
    assert not any(key.startswith("*|") for key in rows)
    engine = engine_for(RULES)
    engine.load(rows.items())
    assert row(engine, of)["head"]["close"] == calm(3)[-1]
    assert engine.symbols == 1


def test_only_what_changed_is_saved_and_the_cold_row_only_where_an_alert_moved() -> None:
    engine = engine_for(RULES)
    assert set(feed(engine, batch_of([*bars(TSLA, calm(3)), *bars(BTC, calm(3))])).rows) == {
        "XNAS|TSLA|hot",
        "binance|BTC/USDT|hot",
    }
    assert set(feed(engine, batch_of([beat(REGULAR_NS + MINUTE_NS)])).rows) == {"*|breadth"}
    assert feed(engine, batch_of([beat(REGULAR_NS + MINUTE_NS)])).rows == {}
    moved = bars(TSLA, [110.0], REGULAR_NS + 3 * MINUTE_NS)
    assert set(feed(engine, batch_of(moved)).rows) == {"XNAS|TSLA|hot", "XNAS|TSLA|cold"}


def test_a_shard_grows_without_losing_a_symbol() -> None:
    names = [Instrument("binance", f"S{i:03}/USDT") for i in range(100)]
    ticks = [t for name in names for t in bars(name, [100.0, 100.1])]
    engine = engine_for(RULES)
    parts = [feed(engine, batch_of(ticks[i : i + 30])) for i in range(0, len(ticks), 30)]
    assert engine.symbols == 100
    assert {k for p in parts for k in p.rows} == {f"{n.venue}|{n.symbol}|hot" for n in names}
    assert [row(engine, n)["head"]["close"] for n in names] == [100.1] * 100


@pytest.mark.filterwarnings("ignore:overflow encountered")  # of plain Python: 300 years do not fit, and need not
@pytest.mark.parametrize("start", [0.0, 1.0], ids=["cold", "warm"])
@pytest.mark.parametrize(
    "moment", ["1680-01-01T00:00:00Z", "1749-12-31T00:00:00Z", "1969-12-31T23:59:59Z", "2116-03-01T15:00:00Z",
               "2190-06-01T00:00:00Z", "2261-12-31T00:00:00Z"]
)  # fmt: skip
def test_a_date_that_cannot_be_neither_crashes_nor_hangs(moment: str, start: float) -> None:
    far = parse_rfc3339(moment)
    engine = engine_for(RULES)
    if start:
        engine.process(batch_of(bars(TSLA, [*calm(30), 106.0, 106.0])))
    ticks = [*bars(TSLA, calm(3), far), beat(far + DAY_NS)]
    fates = feed(engine, batch_of(ticks)).fates
    late = start and far < REGULAR_NS
    assert fates == [Fate.LATE if late else Fate.JUDGED] * 3 + [Fate.HEARTBEAT]
    again = bars(TSLA, calm(3), REGULAR_NS + 30 * DAY_NS)
    assert set(feed(engine, batch_of(again)).fates) == {Fate.JUDGED if far < REGULAR_NS else Fate.LATE}


def test_a_session_s_end_does_not_depend_on_how_far_the_calendar_was_read() -> None:
    moments = [parse_rfc3339(f"{year}-12-{day}T15:00:00Z") for year in range(1970, 2031) for day in (28, 30)]
    one = engine_for(RULES)
    for moment in moments:
        ticks = bars(TSLA, [100.0], moment)
        one.process(batch_of(ticks))
        fresh = engine_for(RULES)
        fresh.process(batch_of(ticks))
        for name in ("phase", "phase_from_ns", "phase_until_ns", "before_s", "after_s", "session_end_ns"):
            assert row(one, TSLA)["head"][name] == row(fresh, TSLA)["head"][name], (name, moment)


def in_hong_kong(*clocks: str) -> Iterator[tuple[int, Any]]:
    """When a bar begins at these times of a day with a lunch break, and the head of its symbol after it alone."""
    hong_kong = Instrument("XHKG", "0700")
    for clock in clocks:
        at = parse_rfc3339(f"2025-04-07T{clock}:00+08:00")
        engine = engine_for(RULES)
        engine.process(batch_of(bars(hong_kong, [100.0], at)))
        yield at, row(engine, hong_kong)["head"]


def test_phases_and_session_ends_of_a_day_with_a_lunch_break() -> None:
    seen = [
        (Phase(int(head["phase"])).name, (int(head["session_end_ns"]) - at) // MINUTE_NS)
        for at, head in in_hong_kong("11:59", "12:01", "13:00", "15:59")
    ]
    assert seen == [("REGULAR", 1), ("CLOSED", 249), ("REGULAR", 190), ("REGULAR", 11)]


def test_the_afternoon_has_no_second_open_and_the_morning_no_close() -> None:
    clocks = ("09:30", "11:59", "13:00", "15:59")
    seen = [int(season_bin(head, at + MINUTE_NS // 2)) for at, head in in_hong_kong(*clocks)]
    assert seen == [0, 7, 10, 47]


@pytest.mark.skipif(not COMPILED, reason="ten thousand events in plain Python take minutes")
def test_more_events_than_the_buffer_holds_come_out_whole_and_in_order() -> None:
    rules = watching(price_move={"alert": "each", "params": {"pct": 0.5, "high_pct": 1.0}})
    closes = [100.0 * (1.01 if i % 2 else 1.0) for i in range(10_000)]
    closes[::500] = [101.01] * 20  # a cent now and then: the price's step is not the move
    moves = [i for i in range(1, len(closes)) if abs(closes[i] / closes[i - 1] - 1.0) > 0.005]
    found = run(rules, bars(BTC, closes))
    assert len(moves) > 9_000
    assert [s.offset for s in found.signals] == moves
    assert [a.offset for a in found.alerts] == moves


@pytest.mark.skipif(not COMPILED, reason="five thousand symbols in plain Python take minutes")
def test_one_heartbeat_may_end_more_alerts_than_the_buffer_holds() -> None:
    names = [Instrument("XNAS", f"S{i:05}") for i in range(4_500)]
    ticks = [Tick(REGULAR_NS + i * MINUTE_NS, n, c) for i, c in enumerate([100.0, 100.1, 105.0]) for n in names[::-1]]
    engine = engine_for(watching(price_move={}))
    feed(engine, batch_of(ticks))
    ended = feed(engine, batch_of([beat(REGULAR_NS + 12 * HOUR_NS)], first=len(ticks)))
    assert [a.symbol for a in ended.alerts] == [n.symbol for n in names]
    assert {(a.change, a.reason, a.offset) for a in ended.alerts} == {("resolved", "session_end", len(ticks))}


def test_new_venues_cost_what_they_are_and_not_what_is_there_already(monkeypatch: pytest.MonkeyPatch) -> None:
    made, table = list[str](), state._table

    def counted(venue: str, lo: int, hi: int) -> Any:
        made.append(venue)
        return table(venue, lo, hi)

    monkeypatch.setattr(state, "_table", counted)
    engine = engine_for(RULES)
    engine.process(batch_of([trade(REGULAR_NS + i, Instrument(f"V{i}", "A"), 1.0) for i in range(40)]))
    assert made == [f"V{i}" for i in range(40)]
