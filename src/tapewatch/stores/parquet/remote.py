"""A tick history on any file system that PyArrow or fsspec knows: the same files and the same manifest as in a folder.

Replacing the manifest is the one step that commits, as there: an object store does it in one request. Files that no
manifest names (a crash came before it) are never read, and written over by the next flush of the same range.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

from tapewatch.model.bars import Bars
from tapewatch.model.errors import GiveUpError, InputError, RetryableError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch, concat
from tapewatch.stores.parquet import manifest as manifests
from tapewatch.stores.parquet.columns import SCHEMA, partitions
from tapewatch.stores.parquet.manifest import FileEntry, Manifest
from tapewatch.stores.parquet.reader import read_bars


def open_file_system(url: str) -> tuple[Any, str]:  # PyArrow has no types
    """The file system behind an address, and the path in it. InputError where neither library knows it."""
    try:
        found: tuple[Any, str] = FileSystem.from_uri(url)
        return found
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass  # fsspec may know it
    try:
        import fsspec
    except ImportError:
        raise InputError(f"archive.url: PyArrow does not know {url}, and fsspec is not installed") from None
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise InputError(f"archive.url: {url}: {error}") from None
    return PyFileSystem(FSSpecHandler(system)), path


class RemoteTickArchive:
    """The part of a `TickHistory` that an archiver needs; the only process that writes below its path.

    Nothing is durable before `flush`: what was read since then is in memory, and read again after a crash.
    """

    def __init__(self, system: Any, path: str, *, max_rows: int = 250_000) -> None:
        """RetryableError where the file system does not answer."""
        self._system, self._path, self._max_rows = system, path.rstrip("/"), max_rows
        with self._errors():
            self._manifest = read_manifest(system, self._path)
        self._taken = self._manifest.archived
        self._pieces: list[tuple[TickBatch, NDArray[np.int8]]] = []
        self._rows = 0  # of all pieces

    def append(self, ticks: TickBatch, fates: NDArray[np.int8], start: int, end: int) -> None:
        """As the port says."""
        if end <= self._taken:
            return
        keep = (ticks.kind != Kind.HEARTBEAT) & (ticks.offset >= max(self._taken, start)) & (ticks.offset < end)
        self._pieces.append((ticks.take(keep), fates[keep]))
        self._rows += int(keep.sum())
        self._taken = end
        if self._rows >= self._max_rows:
            self.flush()

    def flush(self) -> int:
        """As the port says."""
        start, end = self._manifest.archived, self._taken
        if start == end:
            return end
        pieces = [piece for piece in self._pieces if len(piece[0])]
        written: list[FileEntry] = []
        with self._errors():
            if pieces:
                ticks, fates = concat([p[0] for p in pieces]), np.concatenate([p[1] for p in pieces])
                written = [self._write(rows, venue, day, start, end) for (venue, day), rows in partitions(ticks, fates)]
            changed = Manifest(archived=end, files=(*self._manifest.files, *written))
            with self._system.open_output_stream(f"{self._path}/{manifests.NAME}") as out:
                out.write(msgspec.json.encode(changed))
        self._manifest, self._pieces, self._rows = changed, [], 0
        return end

    def close(self) -> None:
        """Flush."""
        self.flush()

    def _write(self, rows: pl.DataFrame, venue: str, day: int, start: int, end: int) -> FileEntry:
        low, high = rows.select(pl.col("ts_event_ns").min(), high=pl.col("ts_event_ns").max()).row(0)
        entry = FileEntry(venue=venue, day=day, start=start, end=end, rows=rows.height, min_ts_ns=low, max_ts_ns=high)
        path = f"{self._path}/{entry.path}"
        self._system.create_dir(path.rpartition("/")[0], recursive=True)
        pq.write_table(rows.to_arrow(), path, filesystem=self._system, compression="zstd", compression_level=1)
        return entry

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RetryableError(f"archive {self._path}: {error}") from error


class RemoteBars:
    """An `ArchiveReader` over every archive below a path; files of the range are read whole."""

    def __init__(self, open_: Callable[[], tuple[Any, str]]) -> None:
        self._open = open_

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As the port says. RetryableError where the file system does not answer."""
        from pathlib import Path

        of_symbol = [("symbol", "=", symbol)]
        frames = [
            frame.select(pl.lit(venue).alias("venue"), *SCHEMA.names())
            for at, frame in self._read(from_ns, to_ns + interval_ns, SCHEMA.names(), of_symbol)
            if at == venue
        ]
        instrument, span = (venue, symbol), (from_ns, to_ns)
        return read_bars(Path(), [], frames, instrument=instrument, span=span, interval_ns=interval_ns)

    def instruments(self, from_ns: int, to_ns: int) -> list[Instrument]:
        """As the port says. RetryableError where the file system does not answer."""
        inside = [("ts_event_ns", ">=", from_ns), ("ts_event_ns", "<", to_ns)]
        read = self._read(from_ns, to_ns, ["symbol"], inside)
        return list({Instrument(venue, symbol) for venue, frame in read for symbol in frame["symbol"].unique()})

    def _read(
        self, from_ns: int, to_ns: int, columns: list[str], filters: list[tuple[str, str, Any]]
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """(venue, rows) of each file that may have ticks of [from_ns, to_ns)."""
        from pyarrow.fs import FileSelector

        try:
            system, root = self._open()
            for found in system.get_file_info(FileSelector(root, allow_not_found=True)):
                for entry in read_manifest(system, found.path).files:
                    if entry.min_ts_ns < to_ns and entry.max_ts_ns >= from_ns:
                        path = f"{found.path}/{entry.path}"
                        rows = pq.read_table(
                            path, filesystem=system, partitioning=None, columns=columns, filters=filters
                        )
                        yield entry.venue, pl.DataFrame(pl.from_arrow(rows))
        except OSError as error:
            raise RetryableError(f"archive: {error}") from error


def read_manifest(system: Any, path: str) -> Manifest:
    """The manifest of one archive; an empty one where there is none. GiveUpError where it is not one of ours."""
    try:
        with system.open_input_stream(f"{path}/{manifests.NAME}") as file:
            data = file.read()
    except FileNotFoundError:
        return Manifest()
    try:
        found = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise GiveUpError(f"{path}/{manifests.NAME} is not a manifest of a tick history: {error}") from error
    return found
