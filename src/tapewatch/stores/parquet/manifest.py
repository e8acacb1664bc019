"""The manifest: which files are the history, and up to which offset. Replacing it is the one step that commits."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec

from tapewatch.model.errors import GiveUpError

NAME = "manifest.json"
_VERSION = 1


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file: `rows` ticks of one venue and day, taken from the records [start, end) of the tape."""

    venue: str
    day: int  # days since the epoch, UTC
    start: int
    end: int
    rows: int
    min_ts_ns: int
    max_ts_ns: int

    @property
    def path(self) -> str:
        """Where it stands below the root. The venue is quoted: it may hold any character."""
        date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=self.day)).strftime("%Y-%m-%d")
        return f"venue={quote(self.venue, safe='')}/date={date}/{self.start}-{self.end}.parquet"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that is durable: every record below `archived` is in one of the files, once (or was a heartbeat, or dead)."""

    version: int = _VERSION
    archived: int = 0
    files: tuple[FileEntry, ...] = ()


def load(root: Path) -> Manifest | None:
    """The manifest; None where there is none. Raises GiveUpError where it is not one of ours."""
    path = root / NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise GiveUpError(f"{path} is not a manifest of a tick history: {error}") from error
    if manifest.version != _VERSION:
        raise GiveUpError(f"{path} has version {manifest.version}, this tapewatch reads {_VERSION}")
    return manifest


def save(root: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step that survives a power cut; what it names must be durable already."""
    temporary = root / f"{NAME}.tmp"
    temporary.write_bytes(msgspec.json.encode(manifest))
    sync_file(temporary)
    temporary.replace(root / NAME)
    sync_directory(root)


def sync_file(path: Path) -> None:
    """Wait until the file's bytes are on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until the directory's entries are on the disk (Windows has no such call and does it by itself)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
