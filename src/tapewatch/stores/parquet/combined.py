"""Several tapes' histories read as one."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.stores.parquet.reader import ParquetTickReader


class CombinedBars:
    """Bars from every tape below `root` (one directory a tape), read-only; where two tapes have a bar of the same
    start, the one of the tape that comes last by name is given."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As `TickHistory.bars` says."""
        found = [tape.bars(venue, symbol, from_ns, to_ns, interval_ns) for tape in self._tapes()]
        found = [b for b in found if len(b.ts_ns)]
        if len(found) == 1:
            return found[0]
        columns = {n: _joined([getattr(b, n) for b in found]) for n in Bars.__dataclass_fields__}
        ts = columns["ts_ns"].astype(np.int64)[::-1]
        starts, newest = np.unique(ts, return_index=True)
        return Bars(starts, *(columns[n][::-1][newest] for n in ("open", "high", "low", "close", "volume")))

    def instruments(self, from_ns: int, to_ns: int) -> list[Instrument]:
        """As `ArchiveReader` says."""
        return list({found for tape in self._tapes() for found in tape.instruments(from_ns, to_ns)})

    def _tapes(self) -> list[ParquetTickReader]:
        tapes = sorted(p for p in self._root.iterdir() if p.is_dir()) if self._root.is_dir() else []
        return [ParquetTickReader(p) for p in tapes]


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0)
