"""What is said of days that no calendar knows."""

import logging

import numpy as np
import pytest

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import TickBatch, make_batch
from tapewatch.model.times import parse_rfc3339
from tapewatch.runtime.known_sessions import KnownSessions

TSLA, BTC, SAP = Instrument("XNAS", "TSLA"), Instrument("binance", "BTC/USDT"), Instrument("XETR", "SAP")


def ticks(*at: tuple[Instrument, str]) -> TickBatch:
    symbols = tuple(dict.fromkeys(symbol for symbol, _ in at))
    return make_batch(
        symbols,
        len(at),
        symbol_id=np.array([symbols.index(symbol) for symbol, _ in at]),
        ts_event_ns=np.array([parse_rfc3339(time) for _, time in at]),
    )


def test_a_venue_is_warned_of_once_where_its_calendar_does_not_reach(caplog: pytest.LogCaptureFixture) -> None:
    known = KnownSessions()
    with caplog.at_level(logging.WARNING):
        known.look(ticks((TSLA, "2025-04-07T14:00:00Z"), (BTC, "2045-04-07T14:00:00Z"), (SAP, "2025-04-07T14:00:00Z")))
        assert not caplog.messages, "what is known, and what never closes"
        known.look(ticks((TSLA, "2045-03-07T16:00:00Z"), (SAP, "2025-04-08T14:00:00Z")))
        known.look(ticks((TSLA, "2045-03-07T16:01:00Z")))
        (said,) = caplog.messages
        assert said.startswith(
            "XNAS: sessions are known from 2000-01-01 to 2027-12-31; beyond, as at 2045-03-07T16:00:00Z"
        )
        known.look(ticks((SAP, "1998-01-05T10:00:00Z")))
    assert [message.partition(":")[0] for message in caplog.messages] == ["XNAS", "XETR"]
