"""Shard state, outbox and offsets in SQLite."""

import sqlite3
from collections.abc import Sequence

import msgspec

from tapewatch.model.ticks import Fate
from tapewatch.stores.port import Commit, OutboxEntry, Place, ShardHead, StateRow
from tapewatch.stores.shard_checks import add_fates, check_commit, check_owner, check_place, check_rule_change
from tapewatch.stores.sqlite.connection import Database

_fates = msgspec.json.Decoder(dict[int, int])


class SqliteShardStore:
    """A `ShardStore` on one SQLite file; each call that writes is one transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def claim(
        self, shard: str, incarnation: str, fingerprint: str, epoch_floor: int = 0
    ) -> tuple[ShardHead, list[StateRow]]:
        """As the port says."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO shards VALUES (?, ?, ?, 0, 0, '{}', 0) ON CONFLICT DO NOTHING",
                (shard, incarnation, fingerprint),
            )
            db.execute("UPDATE shards SET epoch = max(epoch, ?) + 1 WHERE shard = ?", (epoch_floor, shard))
            rows = db.execute("SELECT key, data FROM shard_rows WHERE shard = ? ORDER BY key", (shard,))
            head = _head(db, shard)
            if head is None:
                raise AssertionError("unreachable: the shard was inserted in this transaction")
            return head, [StateRow(*row) for row in rows]

    def load(self, shard: str, keys: Sequence[str] | None = None) -> tuple[ShardHead, list[StateRow]] | None:
        """As the port says."""
        with self._db.read() as db:
            head = _head(db, shard)
            if head is None:
                return None
            rows = db.execute(
                "SELECT key, data FROM shard_rows WHERE shard = ?1"
                " AND (?2 IS NULL OR key IN (SELECT value FROM json_each(?2)))",
                (shard, None if keys is None else msgspec.json.encode(keys).decode()),
            )
            return head, [StateRow(*row) for row in rows]

    def commit(self, commit: Commit) -> Place:
        """As the port says; one transaction, durable against the death of the process when it returns."""
        with self._db.write() as db:
            head = _checked(db, commit)
            (before,) = db.execute("SELECT count(*) FROM outbox WHERE shard = ?", (commit.shard,)).fetchone()
            return Place(_apply(db, head, commit, commit.fingerprint), before)

    def set_fingerprint(self, commit: Commit, fingerprint: str) -> None:
        """As the port says."""
        check_rule_change(commit)
        with self._db.write() as db:
            head = _checked(db, commit)
            db.execute("DELETE FROM shard_rows WHERE shard = ?", (commit.shard,))
            _apply(db, head, commit, fingerprint)

    def drain(self, shard: str, limit: int, owner: ShardHead | None = None) -> list[OutboxEntry]:
        """As the port says."""
        with self._db.read() as db:
            if owner:
                check_place(owner, _head(db, shard))
            rows = db.execute(
                "SELECT kind, key, payload, seq FROM outbox WHERE shard = ? ORDER BY seq LIMIT ?",
                (shard, max(limit, 0)),
            )
            return [OutboxEntry(*row) for row in rows]

    def overview(self) -> list[tuple[ShardHead, int]]:
        """Every shard's head, with how many entries of its outbox wait."""
        with self._db.read() as db:
            names = [name for (name,) in db.execute("SELECT shard FROM shards ORDER BY shard").fetchall()]
            depths = dict(db.execute("SELECT shard, count(*) FROM outbox GROUP BY shard").fetchall())
            return [(head, depths.get(head.shard, 0)) for name in names if (head := _head(db, name))]

    def row_keys(self) -> list[str]:
        """The keys of all rows of all shards, in order, each once: a look from outside, for reports."""
        with self._db.read() as db:
            return [str(key) for (key,) in db.execute("SELECT DISTINCT key FROM shard_rows ORDER BY key")]

    def rows_named(self, key: str) -> list[bytes]:
        """The row of that key of every shard that has one."""
        with self._db.read() as db:
            return [bytes(data) for (data,) in db.execute("SELECT data FROM shard_rows WHERE key = ?", (key,))]

    def ack(self, shard: str, seq: int, owner: ShardHead | None = None) -> None:
        """As the port says."""
        with self._db.write() as db:
            if owner:
                check_owner(owner, _head(db, shard))
            db.execute("DELETE FROM outbox WHERE shard = ? AND seq <= ?", (shard, seq))

    def forget(self, owner: ShardHead) -> None:
        """As the port says."""
        with self._db.write() as db:
            check_owner(owner, _head(db, owner.shard))
            for table in ("outbox", "shard_rows", "shards"):
                db.execute(f"DELETE FROM {table} WHERE shard = ?", (owner.shard,))  # noqa: S608 - names from here


def _head(db: sqlite3.Connection, shard: str) -> ShardHead | None:
    row = db.execute(
        "SELECT shard, incarnation, fingerprint, epoch, next, fates FROM shards WHERE shard = ?", (shard,)
    ).fetchone()
    if row is None:
        return None
    name, incarnation, fingerprint, epoch, position, fates = row
    sums = {Fate(fate): count for fate, count in _fates.decode(fates).items()}
    return ShardHead(name, incarnation, fingerprint, epoch, position, sums)


def _checked(db: sqlite3.Connection, commit: Commit) -> ShardHead:
    head = _head(db, commit.shard)
    check_commit(commit, head)
    if head is None:
        raise AssertionError("unreachable: an unknown shard is refused")
    return head


def _apply(db: sqlite3.Connection, head: ShardHead, commit: Commit, fingerprint: str) -> int:
    """Returns the seq of the outbox's newest entry."""
    db.executemany(
        "INSERT INTO shard_rows VALUES (?, ?, ?) ON CONFLICT (shard, key) DO UPDATE SET data = excluded.data",
        ((commit.shard, row.key, row.data) for row in commit.rows),
    )
    (last_seq,) = db.execute("SELECT last_seq FROM shards WHERE shard = ?", (commit.shard,)).fetchone()
    db.executemany(
        "INSERT INTO outbox VALUES (?, ?, ?, ?, ?)",
        ((commit.shard, last_seq + i, e.kind, e.key, e.payload) for i, e in enumerate(commit.outbox, start=1)),
    )
    fates = {int(fate): count for fate, count in add_fates(head.fates, commit.fates).items()}
    newest = int(last_seq) + len(commit.outbox)
    db.execute(
        "UPDATE shards SET next = ?, fingerprint = ?, fates = ?, last_seq = ? WHERE shard = ?",
        (commit.end, fingerprint, msgspec.json.encode(fates).decode(), newest, commit.shard),
    )
    return newest
