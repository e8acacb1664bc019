"""The status of a data directory, whether or not a process works on it now."""

from pathlib import Path

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.runtime.embedded import DATABASE
from tapewatch.runtime.holding import DirectoryLock
from tapewatch.runtime.status.model import Server, Shard, Status
from tapewatch.stores.sqlite import Database, SqliteShardStore


def embedded_status(data_dir: Path) -> Status:
    """Read the directory's database. InputError where there is none."""
    path = data_dir / DATABASE
    if not path.is_file():
        raise InputError(f"{data_dir}: there is no {DATABASE}; name another --data-dir")
    owner = "a running process" if _is_held(data_dir) else None
    database = Database(path)
    try:
        shards = tuple(
            Shard(
                name=head.shard,
                owner=owner,
                next=head.next,
                epoch=head.epoch,
                outbox=depth,
                fates={fate.name.lower(): count for fate, count in sorted(head.fates.items())},
            )
            for head, depth in SqliteShardStore(database).overview()
        )
        with database.read() as db:
            (alerts,) = db.execute("SELECT count(*) FROM alerts").fetchone()
    finally:
        database.close()
    return Status(mode="embedded", servers=(Server(name="SQLite", address=str(path)),), shards=shards, alerts=alerts)


def _is_held(data_dir: Path) -> bool:
    try:
        DirectoryLock(data_dir).release()
    except RetryableError:
        return True
    return False
