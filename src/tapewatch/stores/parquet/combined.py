"""Several tapes' histories read as one, and rid of what is old."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from tapewatch.model.bars import Bars
from tapewatch.model.errors import TapewatchError
from tapewatch.model.instruments import Instrument
from tapewatch.stores.parquet.history import ParquetTickHistory
from tapewatch.stores.parquet.manifest import NAME
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


def retain_idle(root: Path, live: str, now_ns: int, days: float) -> tuple[int, list[TapewatchError]]:
    """`ParquetTickHistory.retain` on every tape below `root` but the one named `live`, each opened for a moment; how
    many rows went, and why a tape was left (another process writes it, it is damaged)."""
    rows, left = 0, []
    for path in sorted(root.glob(f"*/{NAME}")):
        if path.parent.name == live:
            continue
        try:
            with closing(ParquetTickHistory(path.parent)) as tape:
                rows += tape.retain(now_ns, days)
        except TapewatchError as error:
            left.append(error)
    return rows, left


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
