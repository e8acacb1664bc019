"""Several tapes' histories read as one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tapewatch.model.bars import Bars
from tapewatch.model.instruments import Instrument
from tapewatch.stores.parquet.reader import ParquetTickReader


class CombinedBars:
    """Bars from every tape below `root` (one directory a tape) but the one named `without`, read-only; where two tapes
    have a bar of the same start, the one of the tape that comes last by name is given."""

    def __init__(self, root: Path, without: str | None = None) -> None:
        self._root, self._without = root, without

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As `TickHistory.bars` says."""
        return merged([tape.bars(venue, symbol, from_ns, to_ns, interval_ns) for tape in self._tapes()])

    def instruments(self, from_ns: int, to_ns: int) -> list[Instrument]:
        """As `ArchiveReader` says."""
        return list({found for tape in self._tapes() for found in tape.instruments(from_ns, to_ns)})

    def _tapes(self) -> list[ParquetTickReader]:
        tapes = (
            sorted(p for p in self._root.iterdir() if p.is_dir() and p.name != self._without)
            if self._root.is_dir()
            else []
        )
        return [ParquetTickReader(p) for p in tapes]


def merged(found: Sequence[Bars]) -> Bars:
    """The bars of several sources by their start; where two have bars of the same start, those of the later one."""
    whole = Bars(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(5)))
    for bars in found:
        kept = ~np.isin(whole.ts_ns, bars.ts_ns)
        columns = [
            np.concatenate([getattr(whole, name)[kept], getattr(bars, name)]) for name in Bars.__dataclass_fields__
        ]
        order = np.argsort(columns[0], kind="stable")
        whole = Bars(*(column[order] for column in columns))
    return whole
