"""What the embedded server shows of the tapes of its data directory."""

from pathlib import Path

import numpy as np
import pytest

from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import make_batch
from tapewatch.model.times import HOUR_NS, MINUTE_NS
from tapewatch.runtime.embedded import OnDisk, history_root, open_on_disk
from tapewatch.runtime.server import ServedHistory

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
    stores.close()
