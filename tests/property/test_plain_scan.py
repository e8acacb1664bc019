"""The law of the fast decoder: whatever the messages are, it gives what reading them one at a time gives."""

import json
from itertools import cycle, islice

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapewatch.model.ticks import FeedBatch
from tapewatch.tape.codec import CodecSettings, JsonDecoder
from tapewatch.tape.memory import MemoryTape
from tapewatch.tape.plain import BAR, HANDED_BACK, scan

_ZONES = {"XNAS": "America/New_York", "binance": "UTC"}
_numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-(10**7), 10**7, places=4).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{0,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["0", "-0", "-0.0", "0.0", "01", "1.", ".5", "+1", "1e5", "9007199254740993.0"]),
)
_times = st.one_of(
    st.datetimes().map(lambda t: json.dumps(t.isoformat())),
    st.datetimes().map(lambda t: json.dumps(t.isoformat(sep=" ") + "Z")),
    st.builds(
        '"{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}"'.format,
        st.sampled_from([1679, 1680, 1900, 2000, 2023, 2024, 2025, 2260, 2261]),
        st.integers(0, 13),
        st.integers(0, 32),
        st.sampled_from("T t"),
        st.integers(0, 24),
        st.integers(0, 60),
        st.integers(0, 60),
        st.sampled_from(["", ".5", ".123456789", ".1234567890", ".", ",5"]),
        st.sampled_from(["", "Z", "z", "+02:00", "-23:59", "+24:00", "+0430", " Z", "+02:60", "ZZ"]),
    ),
    st.integers(0, 10**19).map(str),
    st.sampled_from(["1744034400", "20250407", "99999999", "100000000", "1744034400.0", "-5", "9223112836854775807"]),
    st.sampled_from(['"2025-03-09 02:30:00"', '"2025-11-02 01:30:00"', '"1744034400"', '""', '"2025-04-07"']),
)
_texts = st.one_of(
    st.sampled_from(
        ['"TSLA"', '"tsla"', '" TSLA "', '"BTC/USDT"', '"null"', '"true"', '""', '" "', '"A\\u0041"', '"é"']
    ),
    st.sampled_from(['"' + "S" * 64 + '"', '"' + "S" * 65 + '"', '"XNAS"', '"binance"', '"\x7f"', '"a\nb"']),
    st.text(max_size=3).map(json.dumps),
)
_others = st.one_of(
    st.sampled_from(["null", "true", "false", "[1]", "{}", '{"a": 1}', "", '"buy"', '"SELL"', '"b"', '"x"', "1"]),
    st.sampled_from(['"1.5"', '" 7"', '"12345678901234567890"', '"0077"', "NaN", "Infinity"]),
)
_values = {
    "symbol": _texts,
    "venue": _texts,
    "timestamp": _times,
    "heartbeat": _times,
    "side": _others,
    "trade_id": st.integers(-5, 2**64).map(str) | _others,
    "trade_id_hash": st.integers(-(2**63), 2**63 - 1).map(str) | _others,
    "interval_ns": st.integers(-1, 2**63).map(str),
    "source": _texts,
    "extra": _texts | _numbers | _others,
    "dead": _others,
}
_key = st.sampled_from([*_values, "open", "high", "low", "close", "volume", "price", "size", " open ", "Open", "o"])
_space = st.sampled_from(["", "", "", " ", "\n", "\t\r"])


@st.composite
def _message(draw: st.DrawFn) -> bytes:
    """Mostly a whole bar, trade or heartbeat, with anything missing, added, doubled or damaged."""
    bar = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    keys = list(draw(st.sampled_from([bar, bar, ["symbol", "timestamp", "price", "size"], ["heartbeat"], []])))
    keys += draw(st.lists(_key, max_size=2))
    if draw(st.integers(0, 5)) == 0 and keys:
        keys.pop(draw(st.integers(0, len(keys) - 1)))
    weird = draw(st.integers(0, 3)) == 0
    parts = []
    for key in draw(st.permutations(keys)):
        value = draw(_others) if weird and draw(st.booleans()) else draw(_values.get(key, _numbers))
        spaces = [draw(_space) for _ in range(4)] if weird else [""] * 4
        parts.append(f'{spaces[0]}"{key}"{spaces[1]}:{spaces[2]}{value}{spaces[3]}')
    text = draw(_space) + "{" + ",".join(parts) + "}" + draw(_space)
    message = text.encode("utf-8", "replace")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, max(len(message) - 1, 0)))
        message = message[:at] + draw(st.binary(max_size=2)) + message[at + draw(st.integers(0, 2)) :]
    return message


def _assert_same(messages: list[bytes]) -> None:
    tape = MemoryTape()
    tape.append(list(islice(cycle(messages), max(32, len(messages)))), 7)
    fast, strict = _decoder(), _decoder()
    raw = tape.read(0)
    got, wanted = fast.decode(raw), strict.decode_strictly(raw)
    _assert_equal(got, wanted)
    assert fast.default_venues == strict.default_venues


def _decoder() -> JsonDecoder:
    return JsonDecoder(CodecSettings("ticks", lambda venue: _ZONES.get(venue, "UTC")))


def _assert_equal(got: FeedBatch, wanted: FeedBatch) -> None:
    assert got.dead == wanted.dead
    assert got.ticks.symbols == wanted.ticks.symbols
    for name, column in wanted.ticks.columns().items():
        assert getattr(got.ticks, name).dtype == column.dtype, name
        assert getattr(got.ticks, name).tobytes() == column.tobytes(), name


@settings(max_examples=400, deadline=None)
@given(st.lists(_message(), min_size=1, max_size=24))
@example([b'{"a":[{}', b"{}]}", b"{},{}"])
@example([b'{"symbol":"A","timestamp":1744034400,"price":1,"size":1}{"symbol":"B"}'])
def test_the_fast_decoder_gives_what_the_strict_one_gives(messages: list[bytes]) -> None:
    _assert_same(messages)


@settings(max_examples=300, deadline=None)
@given(_numbers, _numbers)
def test_numbers_are_rounded_alike(price: str, size: str) -> None:
    _assert_same([f'{{"symbol":"A","timestamp":1744034400,"price":{price},"size":{size}}}'.encode()])


@settings(max_examples=300, deadline=None)
@given(_times)
def test_times_mean_the_same(time: str) -> None:
    message = f'{{"symbol":"A","timestamp":{time},"price":1,"size":1}}', f'{{"heartbeat":{time}}}'
    _assert_same([m.encode() for m in message])


def test_plain_messages_are_not_handed_back() -> None:
    bar = b'{"symbol": "TSLA", "timestamp": "2025-04-07T10:00:00.5-04:00", "open": 1.5, "high": 227.51999999999998, '
    bar += b'"low": 1, "close": -1.25, "volume": null, "exchange": "Q", "live": true}'
    found = scan(bar, np.array([0, len(bar)]), 1)
    assert found.found.tolist() == [BAR]
    assert found.values[:4, 0].tolist() == [1.5, 227.51999999999998, 1.0, -1.25]


def test_names_that_collide_on_purpose_are_read_all_the_same() -> None:
    slots, wanted = 512, 100
    names = [n for n in (f"S{i}" for i in range(60_000)) if _slot(n, slots) == 7][:wanted]
    messages = [f'{{"symbol":"{n}","timestamp":1744034400,"price":1,"size":1}}'.encode() for n in names]
    messages = list(islice(cycle(messages), slots // 2))
    starts = np.concatenate(([0], np.cumsum([len(m) for m in messages])))
    assert len(names) == wanted
    assert (scan(b"".join(messages), starts, 1).found == HANDED_BACK).any()
    _assert_same(messages)


def _slot(symbol: str, slots: int) -> int:
    hashed = 14695981039346656037
    for byte in (*symbol.encode(), 256, 257):
        hashed = (hashed ^ byte) * 1099511628211 % 2**64
    return (hashed ^ hashed >> 29) % slots
