"""Calendars: phases of US days by hand, every stored exchange against exchange-calendars, and what lies beyond."""

import time
import warnings

import exchange_calendars as xc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.detection.calendars import (
    FOREVER_NS,
    Phase,
    boundaries,
    known_calendars,
    known_from_ns,
    known_until_ns,
    phases_at,
    quote_currency,
    trading_days,
    venue_info,
)
from tapewatch.model.times import DAY_NS, MINUTE_NS, parse_rfc3339

INT64 = st.integers(np.iinfo(np.int64).min, np.iinfo(np.int64).max)


def _phase(venue: str, when: str) -> Phase:
    return Phase(phases_at(venue, np.array([parse_rfc3339(when)]))[0])


@pytest.mark.parametrize(
    ("when", "phase"),
    [
        ("2025-04-07T03:59:59-04:00", Phase.CLOSED),
        ("2025-04-07T04:00:00-04:00", Phase.PRE),
        ("2025-04-07T09:29:59-04:00", Phase.PRE),
        ("2025-04-07T09:30:00-04:00", Phase.REGULAR),
        ("2025-04-07T15:59:59-04:00", Phase.REGULAR),
        ("2025-04-07T16:00:00-04:00", Phase.POST),
        ("2025-04-07T19:59:59-04:00", Phase.POST),
        ("2025-04-07T20:00:00-04:00", Phase.CLOSED),
        ("2025-04-06T12:00:00-04:00", Phase.CLOSED),  # a Sunday
        ("2025-07-04T12:00:00-04:00", Phase.CLOSED),  # Independence Day
        ("2025-01-09T12:00:00-05:00", Phase.CLOSED),  # day of mourning, not in any rule
        ("2025-11-28T12:59:59-05:00", Phase.REGULAR),  # half-day
        ("2025-11-28T13:00:00-05:00", Phase.POST),
        ("2025-11-28T17:00:00-05:00", Phase.CLOSED),
    ],
)
def test_phases_of_a_us_stock_are_those_of_the_exchange(when: str, phase: Phase) -> None:
    assert _phase("XNAS", when) is phase


@pytest.mark.parametrize(
    ("day", "open_utc"), [("2025-03-07", "14:30"), ("2025-03-10", "13:30"), ("2025-11-03", "14:30")]
)
def test_the_open_moves_with_daylight_saving_time(day: str, open_utc: str) -> None:
    opened = parse_rfc3339(f"{day}T{open_utc}:00Z")
    assert list(phases_at("XNYS", np.array([opened - 1, opened]))) == [Phase.PRE, Phase.REGULAR]


def test_a_lunch_break_is_closed() -> None:
    assert _phase("XTKS", "2025-04-07T11:29:00+09:00") is Phase.REGULAR
    assert _phase("XTKS", "2025-04-07T12:00:00+09:00") is Phase.CLOSED
    assert _phase("XTKS", "2025-04-07T12:30:00+09:00") is Phase.REGULAR
    assert _phase("XTKS", "2025-04-07T15:10:00+09:00") is Phase.REGULAR  # until 15:30 since 2024-11-05
    assert _phase("XTKS", "2024-04-08T15:10:00+09:00") is Phase.CLOSED


def test_a_day_with_a_lunch_break_has_one_open_and_one_close() -> None:
    day = [parse_rfc3339(f"2025-04-07T{at}:00+09:00") for at in ("09:00", "11:30", "12:30", "15:30")]
    starts, phases = boundaries("XTKS", day[0] - DAY_NS, day[0] + 2 * DAY_NS)
    begins, ends = trading_days(starts, phases)
    found = {s: (b, e) for s, b, e in zip(starts.tolist(), begins.tolist(), ends.tolist(), strict=True)}
    assert found[day[0]] == found[day[2]] == (day[0], day[3])
    assert found[day[1]] == (day[1], day[2])
    assert found[day[3]] == (day[3], day[0] + DAY_NS)


def test_without_lunch_a_day_is_its_phase() -> None:
    starts, phases = boundaries("XNYS", 0, 30 * DAY_NS)
    begins, ends = trading_days(starts, phases)
    assert begins.tolist() == starts.tolist() and ends[:-1].tolist() == starts[1:].tolist()


@pytest.mark.parametrize("venue", ["binance", "coinbase", "krakenfutures", ""])
def test_crypto_never_closes(venue: str) -> None:
    starts, phases = boundaries(venue, 5, 10 * DAY_NS)
    assert starts.tolist() == [5]
    assert phases.tolist() == [Phase.CONTINUOUS]
    assert known_until_ns(venue) == FOREVER_NS
    assert venue_info(venue).kind == "crypto"


def test_an_unknown_exchange_is_never_called_closed_and_says_that_it_is_unknown() -> None:
    assert boundaries("ZZZZ", 0, DAY_NS)[1].tolist() == [Phase.CONTINUOUS]
    info = venue_info("ZZZZ")
    assert (info.kind, info.known, info.currency) == ("stock", False, "")
    assert known_until_ns("ZZZZ") == 0
    assert known_from_ns("ZZZZ") == FOREVER_NS


def test_past_its_end_a_calendar_goes_on_with_the_plain_week() -> None:
    assert known_until_ns("XNAS") == parse_rfc3339("2028-01-01T00:00:00-05:00")
    assert _phase("XNAS", "2031-07-04T12:00:00-04:00") is Phase.REGULAR  # a holiday that it cannot know
    assert _phase("XNAS", "2031-07-05T12:00:00-04:00") is Phase.CLOSED
    assert known_from_ns("XNAS") == parse_rfc3339("2000-01-01T00:00:00-05:00")
    assert _phase("XNAS", "1990-07-02T12:00:00-04:00") is Phase.REGULAR


@pytest.mark.parametrize("mic", ["XNYS", "XLON", "XETR", "XTKS", "XHKG", "XASX"])
@pytest.mark.parametrize("year", [2012, 2024, 2026])
def test_regular_hours_equal_those_of_exchange_calendars(mic: str, year: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about offsets that are not vectorised
        calendar = xc.get_calendar(mic, start=f"{year}-01-01", end=f"{year}-12-31")
    schedule = calendar.schedule
    opens = schedule["open"].dt.as_unit("ns").astype("int64").to_numpy()
    closes = schedule["close"].dt.as_unit("ns").astype("int64").to_numpy()
    starts, phases = boundaries(mic, int(opens[0]) - DAY_NS, int(closes[-1]) + DAY_NS)
    regular = np.flatnonzero(phases == Phase.REGULAR)
    begins, ends = starts[regular], starts[regular + 1]
    breaks = schedule["break_start"].notna().to_numpy()
    expected_begins = np.sort(np.r_[opens, schedule["break_end"][breaks].dt.as_unit("ns").astype("int64").to_numpy()])
    expected_ends = np.sort(np.r_[closes, schedule["break_start"][breaks].dt.as_unit("ns").astype("int64").to_numpy()])
    np.testing.assert_array_equal(begins, expected_begins)
    np.testing.assert_array_equal(ends, expected_ends)


@pytest.mark.parametrize("mic", known_calendars())
def test_every_stored_calendar_has_a_sane_year(mic: str) -> None:
    starts, phases = boundaries(mic, parse_rfc3339("2025-01-01T00:00:00Z"), parse_rfc3339("2026-01-01T00:00:00Z"))
    assert (np.diff(starts) > 0).all()
    assert (phases[:-1] != phases[1:]).all()
    assert known_until_ns(mic) >= parse_rfc3339("2026-12-31T00:00:00Z")
    regular = np.diff(starts)[phases[:-1] == Phase.REGULAR].sum()
    assert 230 * 4 * 60 * MINUTE_NS <= regular <= 262 * 9 * 60 * MINUTE_NS
    assert len(venue_info(mic).currency) == 3


@given(INT64, INT64)
def test_any_range_is_covered_without_an_exception(a: int, b: int) -> None:
    low, high = min(a, b), min(max(a, b), min(a, b) + 400 * DAY_NS)
    starts, phases = boundaries("XNAS", low, high)
    assert starts[0] <= low
    assert len(starts) == len(phases) >= 1
    assert (np.diff(starts) > 0).all()
    assert len(starts) == 1 or starts[-1] < high


@given(st.integers(946684800, 1830000000), st.integers(0, 30 * 86400), st.integers(0, 86400))
def test_a_part_of_a_range_has_the_phases_of_the_whole(begin_s: int, length_s: int, at_s: int) -> None:
    begin, end = begin_s * 10**9, (begin_s + length_s) * 10**9
    moment = min(begin + at_s * 10**9, end)
    starts, phases = boundaries("XLON", begin, end + 1)
    assert phases[np.searchsorted(starts, moment, "right") - 1] == _alone("XLON", moment)


def _alone(venue: str, moment: int) -> int:
    return int(boundaries(venue, moment, moment + 1)[1][0])


def test_phases_of_no_times_are_none() -> None:
    assert phases_at("XNAS", np.zeros(0, dtype=np.int64)).size == 0


def test_five_years_take_milliseconds() -> None:
    begin = parse_rfc3339("2020-01-01T00:00:00Z")
    boundaries("XPAR", begin, begin + 5 * 365 * DAY_NS)
    started = time.process_time()
    boundaries("XPAR", begin, begin + 5 * 365 * DAY_NS)
    assert time.process_time() - started < 0.02


@pytest.mark.parametrize(
    ("venue", "symbol", "currency"),
    [
        ("binance", "BTC/USDT", "USDT"),
        ("binance", "BTC/USDT:USDT", "USDT"),
        ("binance", "ETHBTC", "BTC"),
        ("binance", "BTCFDUSD", "FDUSD"),
        ("binance", "ETHTUSD", "TUSD"),
        ("bitmex", "XBTUSD", "USD"),
        ("binance", "USDT", ""),
        ("binance", "WHAT", ""),
        ("XNAS", "TSLA", "USD"),
        ("ARCX", "SPY", "USD"),
        ("XLON", "VOD", "GBP"),
        ("ZZZZ", "ABC", ""),
    ],
)
def test_the_quote_currency_is_read_from_the_pair_or_the_venue(venue: str, symbol: str, currency: str) -> None:
    assert quote_currency(venue, symbol) == currency
