"""The tick history's one writer: a buffer with its spool, sorted files, compaction, retention."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tapewatch.model.bars import Bars
from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch, concat
from tapewatch.model.times import DAY_NS
from tapewatch.stores.parquet import manifest as manifests
from tapewatch.stores.parquet.columns import partitions, to_frame
from tapewatch.stores.parquet.files import WriterLock, clean, prune, remove, write_file
from tapewatch.stores.parquet.manifest import FileEntry, Manifest
from tapewatch.stores.parquet.reader import read_bars, scan_batches
from tapewatch.stores.parquet.spool import Piece, Spool, trimmed

_SMALL = 16_384  # rows: pieces of the buffer below it are joined


class ParquetTickHistory:
    """A `TickHistory` of one tape below `root`; the only process that writes there (GiveUpError where another does).

    Ticks are buffered up to `max_rows` and spooled: a killed process loses none of what `append` returned for, a power
    cut at most what came after the last `flush`. A flush writes one file a venue and day, then replaces the manifest:
    before that step nothing of it exists, after it all. Once a venue and day has `compact_at` small files, they are
    joined. Reads see flushed and buffered ticks, each once, whatever is being written, joined or removed meanwhile.
    """

    def __init__(self, root: Path, *, max_rows: int = 250_000, compact_at: int = 8) -> None:
        self._root, self._max_rows, self._compact_at = root, max_rows, max(compact_at, 2)
        self._writing = threading.Lock()  # append, flush, compaction, retention: one at a time
        self._state = threading.Lock()  # guards what reads see; held for moments only
        self._readers = 0
        self._garbage: list[FileEntry] = []
        with self._errors():
            root.mkdir(parents=True, exist_ok=True)
            self._lock = WriterLock(root)
            self._manifest = self._open()
            self._spool = Spool(root)
            self._taken = self._manifest.archived
            self._pieces: list[Piece] = []
            self._rows = 0  # of all pieces
            for ticks, fates, end in self._spool.recover():
                if end > self._taken:  # else a crash came between the manifest and the end of its flush
                    self._take(ticks, fates, end)

    def append(self, ticks: TickBatch, fates: NDArray[np.int8], start: int, end: int) -> None:
        """As the port says. When it returns, the records survive the death of the process."""
        if len(fates) != len(ticks):
            raise ValueError(f"{len(fates)} fates for {len(ticks)} ticks of [{start}, {end})")
        with self._writing, self._errors():
            if end <= self._taken:
                return
            keep = (ticks.kind != Kind.HEARTBEAT) & (ticks.offset >= max(self._taken, start)) & (ticks.offset < end)
            ticks, fates = _copy(ticks, fates) if keep.all() else (ticks.take(keep), fates[keep])
            ticks = trimmed(ticks)
            self._spool.add(ticks, fates, end)
            self._take(ticks, fates, end)
            if self._rows >= self._max_rows:
                self._flush()

    def flush(self) -> int:
        """As the port says; durable against a power cut."""
        with self._writing, self._errors():
            self._flush()
            return self._manifest.archived

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As the port says."""
        instrument, span = (venue, symbol), (from_ns, to_ns)
        with self._errors(), self._snapshot() as (files, pieces):
            fresh = [to_frame(ticks, fates) for ticks, fates in _only(pieces, Instrument(*instrument))]
            return read_bars(self._root, files, fresh, instrument=instrument, span=span, interval_ns=interval_ns)

    def scan(self, from_ns: int, to_ns: int) -> Iterator[TickBatch]:
        """As the port says, of what is there when it begins; files that it still needs are not removed meanwhile."""
        with self._errors(), self._snapshot() as (files, pieces):
            fresh = [to_frame(ticks, fates) for ticks, fates, _ in pieces]
            yield from scan_batches(self._root, files, fresh, from_ns, to_ns)

    def retain(self, now_ns: int, days: float) -> int:
        """Remove the files whose day (UTC, event time) ended more than `days` ago; return how many rows went.

        Ticks that are still buffered stay until the next call after their flush.
        """
        before_ns = now_ns - days * DAY_NS
        with self._writing, self._errors():
            old = [entry for entry in self._manifest.files if (entry.day + 1) * DAY_NS < before_ns]
            if old:
                self._replace(old, [])
            prune(self._root)
            return sum(entry.rows for entry in old)

    def close(self) -> None:
        """Flush, and let another process write. Further writes are a mistake of the caller."""
        self.flush()
        self._spool.close()
        self._lock.release()

    def _open(self) -> Manifest:
        found = manifests.load(self._root)
        if found is None:
            if any(self._root.glob("venue=*/date=*/*.parquet")):
                raise GiveUpError(f"{self._root} has Parquet files but no {manifests.NAME}: restore it, or empty it")
            found = Manifest()
            manifests.save(self._root, found)
        clean(self._root, found)
        return found

    def _take(self, ticks: TickBatch, fates: NDArray[np.int8], end: int) -> None:
        """A small piece is joined with those before it that are not twice as long: a feed of single rows leaves some
        thirty pieces, and each row is copied a few times only."""
        self._rows += len(ticks)
        first, rows = len(self._pieces), len(ticks)
        while first and len(self._pieces[first - 1][0]) < min(2 * rows, _SMALL):
            first -= 1
            rows += len(self._pieces[first][0])
        if joined := self._pieces[first:]:
            ticks, fates = concat([*(p[0] for p in joined), ticks]), np.concatenate([*(p[1] for p in joined), fates])
        with self._state:
            if rows:
                self._pieces[first:] = [(ticks, fates, end)]
            self._taken = end

    def _flush(self) -> None:
        start, end = self._manifest.archived, self._taken
        if start == end:
            return
        written: list[FileEntry] = []
        try:
            if self._pieces:
                ticks, fates = concat([p[0] for p in self._pieces]), np.concatenate([p[1] for p in self._pieces])
                for (venue, day), rows in partitions(ticks, fates):
                    written.append(write_file(self._root, rows, venue=venue, day=day, start=start, end=end))
            changed = Manifest(archived=end, files=(*self._manifest.files, *written))
            manifests.save(self._root, changed)
        except BaseException:
            remove(self._root, written)
            raise
        with self._state:
            self._manifest, self._pieces, self._rows = changed, [], 0
        self._spool.clear()
        for partition in {(entry.venue, entry.day) for entry in written}:
            self._compact(*partition)

    def _compact(self, venue: str, day: int) -> None:
        """Join the small files of one venue and day, oldest first, up to one that is not small any more."""
        small = [
            entry
            for entry in sorted(self._manifest.files, key=lambda e: e.start)
            if (entry.venue, entry.day) == (venue, day) and entry.rows < self._max_rows // 2
        ]
        if len(small) < self._compact_at:
            return
        joined: list[FileEntry] = []
        while small and sum(entry.rows for entry in joined) < self._max_rows:
            joined.append(small.pop(0))
        frame = pl.read_parquet([self._root / entry.path for entry in joined], hive_partitioning=False, glob=False)
        start, end = min(e.start for e in joined), max(e.end for e in joined)
        whole = write_file(self._root, frame.sort("symbol", "offset"), venue=venue, day=day, start=start, end=end)
        self._replace(joined, [whole])

    def _replace(self, old: Sequence[FileEntry], new: Sequence[FileEntry]) -> None:
        gone = set(old)
        files = (*(entry for entry in self._manifest.files if entry not in gone), *new)
        changed = msgspec.structs.replace(self._manifest, files=files)
        try:
            manifests.save(self._root, changed)
        except BaseException:
            remove(self._root, new)
            raise
        with self._state:
            self._manifest = changed
            self._garbage += old
        self._collect()

    @contextmanager
    def _snapshot(self) -> Iterator[tuple[tuple[FileEntry, ...], list[Piece]]]:
        """Files and buffered pieces of one moment; the files stay until the block ends."""
        with self._state:
            self._readers += 1
            files, pieces = self._manifest.files, list(self._pieces)
        try:
            yield files, pieces
        finally:
            with self._state:
                self._readers -= 1
            self._collect()

    def _collect(self) -> None:
        with self._state:
            if self._readers:
                return
            garbage, self._garbage = self._garbage, []
        remove(self._root, garbage)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RetryableError(f"tick history {self._root}: {error}") from error
        except pl.exceptions.PolarsError as error:
            raise GiveUpError(f"tick history {self._root}: {error}") from error


def _copy(ticks: TickBatch, fates: NDArray[np.int8]) -> tuple[TickBatch, NDArray[np.int8]]:
    """A copy to keep: the caller may use its arrays again."""
    columns = {name: column.copy() for name, column in ticks.columns().items()}
    return TickBatch(ticks.symbols, **columns), fates.copy()


def _only(pieces: Sequence[Piece], instrument: Instrument) -> Iterator[tuple[TickBatch, NDArray[np.int8]]]:
    for ticks, fates, _ in pieces:
        if instrument in ticks.symbols:
            mine = ticks.symbol_id == ticks.symbols.index(instrument)
            yield ticks.take(mine), fates[mine]
