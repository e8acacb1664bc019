"""What the embedded server shows of the tapes of its data directory."""

import logging
from pathlib import Path

import numpy as np
import pytest

from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import make_batch
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS
from tapewatch.runtime.embedded import OnDisk, history_root, open_on_disk
from tapewatch.runtime.server import ServedHistory
from tapewatch.stores.parquet import ParquetTickHistory, ParquetTickReader
from tapewatch.stores.port import ArchiveReader

T0 = 1_744_034_400_000_000_000  # 2025-04-07T14:00:00Z
TSLA = Instrument("XNAS", "TSLA")


def _append(stores: OnDisk, minutes: list[int], price: float) -> None:
    n = len(minutes)
    ts, close = T0 + np.array(minutes) * MINUTE_NS, np.full(n, price)
    ticks = make_batch((TSLA,), n, close=close, offset=np.arange(n), ts_event_ns=ts)
    stores.history.append(ticks, np.zeros(n, np.int8), 0, n)


def _bars(stores: OnDisk, data: Path, tape: str) -> Bars:
    history = ServedHistory(stores, history_root(data, ""), tape)
    return history.bars("XNAS", "TSLA", T0, T0 + HOUR_NS, MINUTE_NS)


@pytest.mark.parametrize("yesterday", ["a", "z"])
def test_bars_of_all_tapes_are_shown_and_the_live_one_wins(tmp_path: Path, yesterday: str) -> None:
    earlier = open_on_disk(tmp_path, yesterday, lambda: 0)
    _append(earlier, [0, 1, 5], 1.0)
    earlier.close()
    stores = open_on_disk(tmp_path, "live", lambda: 0)
    assert _bars(stores, tmp_path, "live").close.tolist() == [1.0, 1.0, 1.0]
    _append(stores, [1, 2], 2.0)
    stores.history.flush()
    shown = _bars(stores, tmp_path, "live")
    assert ((shown.ts_ns - T0) // MINUTE_NS).tolist() == [0, 1, 2, 5]
    assert shown.close.tolist() == [1.0, 2.0, 2.0, 1.0]
    assert shown.ts_ns.dtype == np.int64
    served = ServedHistory(stores, history_root(tmp_path, ""), "live")
    assert isinstance(served, ArchiveReader), "reports made here know as much as those of the directory"
    assert served.instruments(T0, T0 + HOUR_NS) == [TSLA]
    stores.close()


def test_retention_goes_over_all_tapes_and_leaves_those_that_it_cannot_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for tape in ("busy", "damaged", "idle"):
        stores = open_on_disk(tmp_path, tape, lambda: 0)
        _append(stores, [0, 24 * 60], 1.0)
        stores.close()
    root = history_root(tmp_path, "")
    (root / "damaged" / "manifest.json").write_text("x")
    (root / "not a tape").mkdir()
    busy = ParquetTickHistory(root / "busy")
    live = open_on_disk(tmp_path, "live", lambda: 0)
    _append(live, [0], 1.0)
    live.history.flush()
    served = ServedHistory(live, root, "live")
    with caplog.at_level(logging.WARNING):
        assert served.retain(T0 + 3 * DAY_NS, 2) == 2
    for record, tape in zip(caplog.records, ("busy", "damaged"), strict=True):
        assert str(root / tape) in record.getMessage()
    assert [ParquetTickReader(root / tape).rows() for tape in ("busy", "idle", "live")] == [2, 1, 0]
    assert list((root / "not a tape").iterdir()) == []
    busy.close()
    assert served.retain(T0 + 3 * DAY_NS, 2) == 1
    live.close()
