"""The spool's frames: what went in comes out, bit by bit, and what is one value throughout takes no room."""

from pathlib import Path

import numpy as np

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import DTYPES, TickBatch, make_batch
from tapewatch.stores.parquet.spool import NAME, Spool

PAIR = Instrument("binance", "BTC/USDT")


def _batch(n: int, **columns: object) -> TickBatch:
    return make_batch((PAIR,), n, offset=np.arange(n), **{k: np.asarray(v) for k, v in columns.items()})


def _through(tmp_path: Path, ticks: TickBatch) -> TickBatch:
    spool = Spool(tmp_path)
    spool.add(ticks, np.zeros(len(ticks), np.int8), len(ticks))
    spool.close()
    ((found, fates, end),) = Spool(tmp_path).recover()
    assert (len(fates), end) == (len(ticks), len(ticks))
    return found


def test_columns_of_one_value_come_back_bit_by_bit(tmp_path: Path) -> None:
    ticks = _batch(5, close=[-0.0] * 5, open=[0.0, -0.0, 0.0, 0.0, 0.0], volume=[np.nan] * 5, side=[-1] * 5)
    found = _through(tmp_path, ticks)
    for name in DTYPES:
        assert getattr(found, name).tobytes() == getattr(ticks, name).tobytes(), name


def test_batches_of_one_record_and_of_none_come_back(tmp_path: Path) -> None:
    for n in (0, 1):
        folder = tmp_path / str(n)
        folder.mkdir()
        assert _through(folder, _batch(n)).offset.tolist() == list(range(n))


def test_columns_of_one_value_take_no_room(tmp_path: Path) -> None:
    n = 10_000
    _through(tmp_path, _batch(n, close=np.arange(n, dtype=float)))
    # `close`, its three copies and `offset` differ from row to row, 8 bytes each; all else is the head.
    assert (tmp_path / NAME).stat().st_size < 5 * 8 * n + 2_000


def test_symbols_that_a_frame_names_and_does_not_use_are_left_out(tmp_path: Path) -> None:
    names = tuple(Instrument("v", f"S{i}") for i in range(5))
    ticks = make_batch(names, 3, symbol_id=np.array([3, 1, 3]), close=np.arange(3.0))
    found = _through(tmp_path, ticks)
    assert found.symbols == (names[1], names[3])
    assert [found.symbols[i] for i in found.symbol_id] == [names[3], names[1], names[3]]
