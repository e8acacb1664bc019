"""The files of a history: written whole or not at all, by one process at a time."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import polars as pl

from tapewatch.model.errors import GiveUpError
from tapewatch.stores.parquet.manifest import FileEntry, Manifest, sync_directory, sync_file

_ROW_GROUP = 65_536  # rows: what a reader of one symbol has to decode at least
_LEVEL = 1  # zstd: higher levels cost far more time than they save space on this data


class WriterLock:
    """Held by the one process that writes below a root; the operating system lets go of it when that process dies."""

    def __init__(self, root: Path) -> None:
        self._file: IO[bytes] = (root / "writer.lock").open("ab")
        if not _lock(self._file):
            self._file.close()
            raise GiveUpError(f"another process writes the tick history {root}")

    def release(self) -> None:
        """Let another process write."""
        self._file.close()


def write_file(root: Path, rows: pl.DataFrame, *, venue: str, day: int, start: int, end: int) -> FileEntry:
    """Write one file under a temporary name, wait for the disk, rename. It counts once a manifest names it."""
    low, high = rows.select(pl.col("ts_event_ns").min(), high=pl.col("ts_event_ns").max()).row(0)
    entry = FileEntry(venue=venue, day=day, start=start, end=end, rows=rows.height, min_ts_ns=low, max_ts_ns=high)
    path = root / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        rows.write_parquet(temporary, compression="zstd", compression_level=_LEVEL, row_group_size=_ROW_GROUP)
        sync_file(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
    return entry


def remove(root: Path, entries: Iterable[FileEntry]) -> None:
    """Remove files; the directories stay until `prune`, because somebody may be about to write into them."""
    for entry in entries:
        (root / entry.path).unlink(missing_ok=True)


def prune(root: Path) -> None:
    """Remove empty directories. Nobody may be writing meanwhile."""
    for pattern in ("venue=*/date=*", "venue=*"):
        for directory in root.glob(pattern):
            if not any(directory.iterdir()):
                directory.rmdir()


def clean(root: Path, manifest: Manifest) -> None:
    """At open: remove what a crash left (temporary files, files that no manifest names). GiveUpError for lost files."""
    named = {root / entry.path for entry in manifest.files}
    found = set(root.glob("venue=*/date=*/*.parquet"))
    for path in (*(found - named), *root.glob("venue=*/date=*/*.tmp"), *root.glob("*.tmp")):
        path.unlink()
    prune(root)
    if lost := named - found:
        raise GiveUpError(f"the tick history {root} has lost {len(lost)} of its files, e.g. {min(lost)}")


def _lock(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return True  # two writers are not detected there
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
