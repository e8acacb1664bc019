"""Laws of the tape's JSON: what is written is what is read, however it is cut; times mean what they mean in files."""

from decimal import Decimal

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.feeds.csv_times import read_times
from tapewatch.model.instruments import Instrument
from tapewatch.model.numbers import LEAST, MOST
from tapewatch.model.ticks import DTYPES, FeedBatch, Kind, TickBatch, make_batch
from tapewatch.model.times import SECOND_NS
from tapewatch.tape.codec import CodecSettings, JsonDecoder, encode_batch, encode_ticks
from tapewatch.tape.encode_columns import encode_many
from tapewatch.tape.memory import MemoryTape
from tapewatch.tape.times import parse_time

SYMBOLS = (Instrument("XNAS", "TSLA"), Instrument("binance", "BTC/USDT"))
_price = st.one_of(st.floats(-MOST, -LEAST), st.sampled_from([0.0, -0.0]), st.floats(LEAST, MOST))
_int64 = st.integers(-(2**63), 2**63 - 1)
_row = st.tuples(
    st.sampled_from(Kind),
    st.integers(0, 1),
    st.integers(0, 9_000_000_000 * SECOND_NS),
    st.tuples(_price, _price, _price, _price),
    st.one_of(st.just(float("nan")), st.floats(LEAST, MOST)),
    st.sampled_from([-1, 0, 1]),
    _int64,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_row, max_size=20), st.integers(1, 7))
def test_columns_come_back_as_they_were(
    rows: list[tuple[Kind, int, int, tuple[float, ...], float, int, int]], cut: int
) -> None:
    n = len(rows)
    kind = np.array([r[0] for r in rows], np.int8)
    bar, trade, beat = kind == Kind.BAR, kind == Kind.TRADE, kind == Kind.HEARTBEAT
    prices = np.array([r[3] for r in rows]).reshape(n, 4)
    prices[trade] = prices[trade][:, 3:]
    prices[beat] = 0
    columns = {name: prices[:, i] for i, name in enumerate(("open", "high", "low", "close"))}
    ticks = make_batch(
        SYMBOLS,
        n,
        kind=kind,
        symbol_id=np.where(beat, -1, [r[1] for r in rows] or kind),
        ts_event_ns=np.array([r[2] for r in rows], np.int64),
        interval_ns=np.where(bar, 60 * SECOND_NS, 0),
        volume=np.where(beat, np.nan, [r[4] for r in rows] or kind),
        side=np.where(trade, [r[5] for r in rows] or kind, 0),
        trade_id_hash=np.where(trade, np.array([r[6] for r in rows], np.int64), 0),
        offset=np.arange(n),
        **columns,
    )
    check_they_come_back(ticks, encode_batch(FeedBatch(ticks, (), 0, n)), cut)
    check_they_come_back(ticks, encode_many(ticks), cut)


def check_they_come_back(ticks: TickBatch, messages: list[bytes], cut: int) -> None:
    tape = MemoryTape()
    tape.append(messages, 0)
    decoder = JsonDecoder(CodecSettings("t", lambda v: "UTC"))
    at, names = 0, []
    while len(raw := tape.read(at, cut)):
        batch = decoder.decode(raw)
        assert batch.dead == ()
        for name in set(DTYPES) - {"symbol_id"}:
            expected = getattr(ticks, name)[at : raw.end]
            assert getattr(batch.ticks, name).tobytes() == expected.tobytes(), name
        names += [batch.ticks.symbols[i] if i >= 0 else None for i in batch.ticks.symbol_id]
        at = raw.end
    assert names == [ticks.symbols[i] if i >= 0 else None for i in ticks.symbol_id]


@given(_price)
def test_a_number_is_read_as_python_reads_it_and_written_as_short_as_it_can_be(value: float) -> None:
    tape = MemoryTape()
    number, text = (
        f'{{"symbol":"A","timestamp":1744034400,"price":{v},"size":1}}' for v in (repr(value), f'"{value!r}"')
    )
    tape.append([number.encode(), text.encode()], 0)
    ticks = JsonDecoder(CodecSettings("t", lambda v: "UTC")).decode(tape.read(0)).ticks
    assert [repr(v) for v in ticks.close.tolist()] == [repr(value)] * 2
    written = encode_ticks(ticks)[0].split(b'"price":')[1].split(b",")[0]
    assert float(written) == value
    assert len(Decimal(written.decode()).normalize().as_tuple().digits) == len(
        Decimal(repr(value)).normalize().as_tuple().digits
    )


_digits = st.text("0123456789", min_size=1, max_size=20)
_time_texts = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["", "-", "+"]), _digits),
    st.builds("{}.{}".format, _digits, st.text("0123456789", max_size=12)),
    st.builds(
        "{:04}{s}{:02}{s}{:02}{}{:02}:{:02}{}{}{}".format,
        st.sampled_from([1600, 1700, 1970, 2024, 2025, 2260, 2261, 2300]),
        st.integers(0, 13),
        st.integers(0, 32),
        st.sampled_from(["T", " ", "t", "x"]),
        st.integers(0, 25),
        st.integers(0, 61),
        st.sampled_from(["", ":00", ":59", ":60"]),
        st.sampled_from(["", ".5", ".123456789", ".1234567890"]),
        st.sampled_from(["", "Z", "z", "+02:00", "-0430", "+05", "+25:00", " +01:00"]),
        s=st.sampled_from(["-", "/", ""]),
    ),
    st.text(max_size=12),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_time_texts, min_size=1, max_size=40))
def test_a_time_means_the_same_in_a_file_and_in_a_message(texts: list[str]) -> None:
    stripped = [t.strip() for t in texts]
    column = read_times(pl.Series(stripped, dtype=pl.String))
    for i, text in enumerate(stripped):
        got = (int(column.ns[i]), bool(column.naive[i])) if column.readable[i] else None
        assert got == parse_time(text), text
