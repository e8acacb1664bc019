"""Symbol-days are counted by the venue's date, from judged ticks."""

import numpy as np
import pytest

from tapewatch.detection.backtest.exposure import Exposure, day_text, local_day
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind, TickBatch, make_batch
from tapewatch.model.times import MINUTE_NS, parse_rfc3339

TSLA, BTC = Instrument("XNAS", "TSLA"), Instrument("binance", "BTC/USDT")


def batch(*ticks: tuple[Instrument, str]) -> TickBatch:
    symbols = (TSLA, BTC)
    return make_batch(
        symbols,
        len(ticks),
        symbol_id=np.array([symbols.index(s) for s, _ in ticks]),
        kind=np.full(len(ticks), Kind.BAR),
        ts_event_ns=np.array([parse_rfc3339(t) for _, t in ticks]),
        interval_ns=np.full(len(ticks), MINUTE_NS),
        close=np.ones(len(ticks)),
    )


def days_of(*ticks: tuple[Instrument, str], fate: Fate = Fate.JUDGED) -> dict[str, int]:
    exposure = Exposure()
    exposure.add(batch(*ticks), np.full(len(ticks), fate, np.int8))
    return {day_text(d): n for d, n in exposure.days().items()}


def test_the_evening_in_new_york_is_not_the_next_day() -> None:
    assert days_of((TSLA, "2025-01-07T20:00:00Z"), (TSLA, "2025-01-08T00:59:00Z")) == {"2025-01-07": 1}
    assert days_of((BTC, "2025-01-07T20:00:00Z"), (BTC, "2025-01-08T00:59:00Z")) == {"2025-01-07": 1, "2025-01-08": 1}


def test_two_symbols_on_one_day_are_two_symbol_days() -> None:
    exposure = Exposure()
    ticks = batch((TSLA, "2025-01-07T15:00:00Z"), (BTC, "2025-01-07T15:00:00Z"), (TSLA, "2025-01-07T15:01:00Z"))
    exposure.add(ticks, np.zeros(3, np.int8))
    assert exposure.symbol_days() == 2 and exposure.of_symbol() == {TSLA: 1, BTC: 1}
    assert exposure.ticks.total() == 3 and exposure.longest_ns == MINUTE_NS


@pytest.mark.parametrize("fate", [Fate.LATE, Fate.FUTURE, Fate.HEARTBEAT])
def test_what_was_not_judged_does_not_count(fate: Fate) -> None:
    assert days_of((TSLA, "2025-01-07T20:00:00Z"), fate=fate) == {}


def test_dates_that_lie_centuries_apart_are_counted_all_the_same() -> None:
    ticks = ((BTC, "1800-01-01T00:00:00Z"), (BTC, "2200-01-01T00:00:00Z"), (TSLA, "1800-01-01T15:00:00Z"))
    assert days_of(*ticks) == {"1800-01-01": 2, "2200-01-01": 1}


def test_the_day_of_an_incident_is_the_same_day() -> None:
    assert day_text(local_day("XNAS", parse_rfc3339("2025-01-08T00:59:00Z"))) == "2025-01-07"
