"""The JSON of the tape: its spellings, and what becomes of everything else."""

import numpy as np
import pytest

from tapewatch.model.ticks import FeedBatch, Kind
from tapewatch.model.times import MINUTE_NS, format_rfc3339
from tapewatch.tape.codec import CodecSettings, JsonDecoder, encode_batch
from tapewatch.tape.memory import MemoryTape

BAR = '"open": 1.5, "high": 2, "low": 1, "close": 1.25, "volume": 7'


def decode(*messages: str | bytes, venue: str | None = None) -> FeedBatch:
    tape = MemoryTape()
    tape.append([m if isinstance(m, bytes) else m.encode() for m in messages], 9)
    settings = CodecSettings("ticks", lambda v: "America/New_York" if v == "XNAS" else "UTC", venue)
    return JsonDecoder(settings).decode(tape.read(0))


@pytest.mark.parametrize(
    "message",
    [
        f'{{"symbol": "TSLA", "venue": "XNAS", "timestamp": "2025-04-07T10:00:00-04:00", {BAR}}}',
        f'{{"symbol": " tsla ", "timestamp": "2025-04-07 10:00:00", {BAR}, "note": {{"any": [1]}}}}',
        f'{{"symbol": "TSLA", "timestamp": 1744034400, {BAR}}}',
        f'{{"symbol": "TSLA", "timestamp": 1744034400000, {BAR}, "interval_ns": 60000000000}}',
        f'{{"symbol": "TSLA", "timestamp": "1744034400000000000", {BAR}}}',
        '[{"timestamp": "2025-04-07 10:00:00", "open": "1.5000", "high": "2", "low": "1", "close": "1.25", '
        '"volume": "7", "symbol": "TSLA"}, 0.25]',
        '[{"timestamp   ": "2025-04-07 10:00:00", " open ": " 1.5000", "high": " 2", "low": "1 ", "close": "1.25", '
        '"volume": "    7", "symbol": "TSLA"}, "0.25"]',
    ],
)
def test_every_spelling_of_a_bar_is_the_same_bar(message: str) -> None:
    batch = decode(message)
    assert batch.dead == ()
    ticks = batch.ticks
    assert (str(ticks.symbols[0]), format_rfc3339(int(ticks.ts_event_ns[0]))) == ("XNAS:TSLA", "2025-04-07T14:00:00Z")
    row = (ticks.open[0], ticks.high[0], ticks.low[0], ticks.close[0], ticks.volume[0], ticks.interval_ns[0])
    assert row == (1.5, 2.0, 1.0, 1.25, 7.0, MINUTE_NS)
    assert (ticks.kind[0], ticks.ts_append_ns[0], ticks.offset[0]) == (Kind.BAR, 9, 0)


def test_a_trade_has_one_price_a_side_and_an_id() -> None:
    text = '{"symbol":"BTC/USDT","timestamp":1744034400.25,"price":5,"size":2,"side":"Sell","trade_id":77}'
    ticks = decode(text, text.replace("77", '"77"'), text.replace("77", '"x"')).ticks
    assert str(ticks.symbols[0]) == "binance:BTC/USDT"
    assert (ticks.open[0], ticks.low[0], ticks.close[0], ticks.volume[0], ticks.side[0]) == (5, 5, 5, 2, -1)
    assert ticks.ts_event_ns[0] == 1744034400_250_000_000
    assert ticks.trade_id_hash[0] == ticks.trade_id_hash[1] != ticks.trade_id_hash[2]
    assert ticks.kind[0] == Kind.TRADE


def test_a_heartbeat_carries_a_time_and_no_symbol() -> None:
    ticks = decode('{"heartbeat": "2025-04-07T14:00:00Z", "source": "bridge"}').ticks
    assert (ticks.kind[0], ticks.symbol_id[0], ticks.ts_event_ns[0]) == (Kind.HEARTBEAT, -1, 1744034400 * 10**9)


def test_a_volume_that_is_said_to_be_unknown_is_not_a_fault() -> None:
    assert np.isnan(decode(f'{{"symbol":"A","timestamp":1744034400,{BAR.replace("7", "null")}}}').ticks.volume[0])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not readable"),
        (b"\xff\xfe", "not readable"),
        ("nonsense", "not readable"),
        ("null", "neither an object"),
        ("[1, 2, 3]", "neither an object"),
        ("{}", "symbol is missing"),
        ('{"a":' * 100_000, "recursion"),
        ('{"symbol":"A","timestamp":1744034400,"price":1,"size":1,"trade_id":' + "9" * 5000 + "}", "out of range"),
        (f'{{"timestamp": 1744034400, {BAR}}}', "symbol is missing"),
        (f'{{"symbol": "A", {BAR}}}', "timestamp is missing"),
        (f'{{"symbol": "A", "timestamp": "soon", {BAR}}}', "timestamp is not readable: 'soon'"),
        (f'{{"symbol": "A", "timestamp": 1e300, {BAR}}}', "timestamp is not readable"),
        (f'{{"symbol": "A", "timestamp": "2025-03-09 02:30:00", {BAR}}}', "does not exist"),
        (f'{{"symbol": "A\\n", "timestamp": 1, {BAR}}}'.replace("\\n", "\\u0007B"), "symbol is not a name"),
        ('{"symbol": "A", "timestamp": 1744034400, "close": 1}', "open is missing"),
        (f'{{"symbol": "A", "timestamp": 1744034400, {BAR.replace("1.5", "NaN")}}}', "not readable"),
        (f'{{"symbol": "A", "timestamp": 1744034400, {BAR.replace("1.5", chr(34) + "nan" + chr(34))}}}', "open is not"),
        (f'{{"symbol": "A", "timestamp": 1744034400, {BAR.replace("1.5", chr(34) + "x" + chr(34))}}}', "not readable"),
        (
            f'{{"symbol": "A", "timestamp": 1744034400, {BAR.replace("1.5", "1.7e308")}}}',
            "open is too large or too small",
        ),
        (
            f'{{"symbol": "A", "timestamp": 1744034400, {BAR.replace("1.5", "-1e-300")}}}',
            "open is too large or too small",
        ),
        (f'{{"symbol": "A", "timestamp": "2261-12-01T00:00:00Z", {BAR}}}', "timestamp is not readable"),
        (f'{{"symbol": "A", "timestamp": 1744034400, {BAR.replace("7", "-7")}}}', "volume is negative"),
        ('{"symbol": "A", "timestamp": 1744034400, "price": 1}', "size is missing"),
        (f'{{"symbol": "A", "timestamp": 1744034400, {BAR}, "interval_ns": 0}}', "interval_ns"),
        ('{"heartbeat": "2025-04-07 14:00:00"}', "heartbeat without an offset"),
        ('{"symbol":"A","timestamp":1744034400,"price":1,"size":1} {"symbol":"B"}', "not readable"),
    ],
)
def test_a_bad_message_is_one_dead_letter_and_touches_no_other(message: str | bytes, reason: str) -> None:
    good = f'{{"symbol": "G", "timestamp": 1744034400, {BAR}}}'
    batch = decode(good, message, good)
    assert batch.ticks.offset.tolist() == [0, 2]
    (letter,) = batch.dead
    assert (letter.source, letter.position, letter.offset) == ("ticks", 1, 1)
    assert reason in letter.reason
    assert len(letter.raw) <= 1000


def test_prices_that_cannot_be_are_left_to_the_detector() -> None:
    text = '{"symbol":"A","timestamp":1744034400,"open":-1,"high":0,"low":5,"close":0,"volume":0}'
    assert decode(text).dead == ()


def test_dead_rows_of_a_feed_stay_what_they_were() -> None:
    first = decode("nonsense")
    tape = MemoryTape()
    tape.append(encode_batch(first), 1)
    again = JsonDecoder(CodecSettings("other", lambda v: "UTC")).decode(tape.read(0))
    assert again.dead == first.dead
