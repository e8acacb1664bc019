"""A feed that comes row by row costs the history no more, and leaves the same, than one that comes at once."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import TickBatch, make_batch
from tapewatch.model.times import MINUTE_NS, SECOND_NS
from tapewatch.stores.parquet import ParquetTickHistory

T0 = 1_744_034_400_000_000_000  # 2025-04-07T14:00:00Z
EVER = (-(2**63), 2**63 - 1)
ROWS = 5_000
SYMBOLS = tuple(Instrument("XNAS", f"S{i:03}") for i in range(500))


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: None)


def _tape() -> tuple[TickBatch, np.ndarray[tuple[int], np.dtype[np.int8]]]:
    i, rng = np.arange(ROWS), np.random.default_rng(7)
    ids, close = rng.integers(0, len(SYMBOLS), ROWS), rng.uniform(1, 100, ROWS)
    ticks = make_batch(SYMBOLS, ROWS, symbol_id=ids, close=close, offset=i, ts_event_ns=T0 + i * SECOND_NS)
    return ticks, rng.integers(0, 2, ROWS).astype(np.int8)


def _contents(history: ParquetTickHistory) -> tuple[list[bytes], list[bytes]]:
    bars = [history.bars(s.venue, s.symbol, *EVER, MINUTE_NS) for s in SYMBOLS[:5]]
    scanned = [[b.symbols[i] for i in b.symbol_id] for b in history.scan(*EVER)]
    columns = [b.columns() for b in history.scan(*EVER)]
    numbers = [c[name].tobytes() for c in columns for name in c if name != "symbol_id"]
    return [b.close.tobytes() + b.ts_ns.tobytes() for b in bars], [repr(scanned).encode(), *numbers]


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.parquet")}


def test_single_rows_are_few_pieces_and_the_same_as_one_batch(tmp_path: Path) -> None:
    ticks, fates = _tape()
    history, at_once = ParquetTickHistory(tmp_path / "rows"), ParquetTickHistory(tmp_path / "once")
    at_once.append(ticks, fates, 0, ROWS)
    for i in range(ROWS):
        history.append(ticks.take(slice(i, i + 1)), fates[i : i + 1], i, i + 1)
    assert len(history._pieces) <= 32
    assert (tmp_path / "rows" / "spool.bin").stat().st_size < 1_000 * ROWS
    again = ParquetTickHistory(Path(shutil.copytree(tmp_path / "rows", tmp_path / "killed")))
    assert len(again._pieces) <= 32
    for one in (history, again):
        assert _contents(one) == _contents(at_once)
    for one in (history, again, at_once):
        assert one.flush() == ROWS
        one.close()
    assert _files(tmp_path / "rows") == _files(tmp_path / "killed") == _files(tmp_path / "once")


@pytest.mark.parametrize("order", [1, -1])
def test_batches_of_any_lengths_are_few_pieces(tmp_path: Path, order: int) -> None:
    history = ParquetTickHistory(tmp_path)
    end = 0
    for size in range(1, 300)[::order]:
        i = np.arange(end, end + size)
        ticks = make_batch(SYMBOLS[:1], size, close=1.0 + i, offset=i, ts_event_ns=T0 + i)
        history.append(ticks, np.zeros(size, np.int8), end, end := end + size)
    assert len(history._pieces) <= 32
    assert [o for batch in history.scan(*EVER) for o in batch.offset.tolist()] == list(range(end))
    history.close()
