"""The law of a history: whatever is appended, flushed, joined or killed, it is the tape's ticks, each once."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind, TickBatch, make_batch
from tapewatch.model.times import DAY_NS, HOUR_NS
from tapewatch.stores.memory import MemoryTickHistory
from tapewatch.stores.parquet import ParquetTickHistory
from tapewatch.stores.port import TickHistory

T0 = 1_744_034_400_000_000_000
SYMBOLS = (Instrument("XNAS", "TSLA"), Instrument("XNAS", "AAPL"), Instrument("binance", "BTC/USDT"))
EVER = (-(2**63), 2**63 - 1)


def _tape(seed: int, n: int = 60) -> tuple[TickBatch, np.ndarray[tuple[int], np.dtype[np.int8]]]:
    rng = np.random.default_rng(seed)
    ticks = make_batch(
        SYMBOLS,
        n,
        symbol_id=rng.integers(0, 3, n),
        kind=rng.choice([Kind.TRADE, Kind.HEARTBEAT], n, p=[0.9, 0.1]),
        close=rng.uniform(1, 100, n),
        volume=np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 9, n)),
        ts_event_ns=T0 + np.sort(rng.integers(0, 2 * DAY_NS, n)),
        offset=np.arange(n),
    )
    return ticks, rng.choice([Fate.JUDGED, Fate.LATE], n).astype(np.int8)


step = st.one_of(
    st.tuples(st.just("append"), st.integers(-8, 3), st.integers(0, 20)),
    st.tuples(st.just("flush"), st.just(0), st.just(0)),
    st.tuples(st.just("kill"), st.just(0), st.just(0)),
    st.tuples(st.just("kill, tail lost"), st.integers(1, 3000), st.just(0)),
)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), steps=st.lists(step, max_size=14))
def test_any_sequence_of_appends_flushes_and_kills_gives_the_history_of_the_tape(
    seed: int, steps: list[tuple[str, int, int]]
) -> None:
    ticks, fates = _tape(seed)
    with tempfile.TemporaryDirectory() as directory:
        lives = 0
        root = Path(directory) / "0"
        history = ParquetTickHistory(root, max_rows=25, compact_at=2)
        taken = archived = 0
        for what, a, b in steps:
            if what == "append":
                # From before what it has, as a replay does, but never past it: that would be a hole of the caller's.
                start = min(max(taken + a, 0), taken)
                end = min(start + b, len(ticks))
                history.append(ticks.take(slice(start, end)), fates[start:end], start, end)
                taken = max(taken, end)
            elif what == "flush":
                archived = history.flush()
                assert archived == taken
            else:
                lives += 1
                root = Path(shutil.copytree(root, Path(directory) / str(lives)))
                if what == "kill, tail lost":
                    with (root / "spool.bin").open("r+b") as spool:
                        spool.truncate(max((root / "spool.bin").stat().st_size - a, 0))
                history.close()
                history = ParquetTickHistory(root, max_rows=25, compact_at=2)
                recovered = history.flush()
                assert archived <= recovered <= taken
                assert what != "kill" or recovered == taken
                taken = archived = recovered
            _assert_same(history, _reference(ticks, fates, taken))
        history.close()


def _reference(ticks: TickBatch, fates: np.ndarray[tuple[int], np.dtype[np.int8]], taken: int) -> MemoryTickHistory:
    reference = MemoryTickHistory()
    reference.append(ticks.take(slice(0, taken)), fates[:taken], 0, taken)
    return reference


def _assert_same(history: TickHistory, reference: TickHistory) -> None:
    assert _rows(history) == _rows(reference)
    for symbol in SYMBOLS:
        for interval_ns in (1, HOUR_NS, DAY_NS):
            got = history.bars(symbol.venue, symbol.symbol, T0 + HOUR_NS, T0 + 30 * HOUR_NS, interval_ns)
            wanted = reference.bars(symbol.venue, symbol.symbol, T0 + HOUR_NS, T0 + 30 * HOUR_NS, interval_ns)
            for name in ("ts_ns", "open", "high", "low", "close", "volume"):
                np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name), err_msg=name)


def _rows(history: TickHistory) -> list[tuple[object, ...]]:
    return [
        (batch.symbols[s], *(repr(v) for v in row))
        for batch in history.scan(*EVER)
        for s, *row in zip(
            batch.symbol_id.tolist(),
            *(c.tolist() for name, c in batch.columns().items() if name != "symbol_id"),
            strict=True,
        )
    ]
