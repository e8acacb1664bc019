"""Shard state, outbox and offsets in memory."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tapewatch.stores.port import Commit, OutboxEntry, Place, ShardHead, StateRow
from tapewatch.stores.shard_checks import add_fates, check_commit, check_owner, check_place, check_rule_change


@dataclass(slots=True)
class _Shard:
    head: ShardHead
    rows: dict[str, bytes] = field(default_factory=dict)
    outbox: list[OutboxEntry] = field(default_factory=list)
    last_seq: int = 0


class MemoryShardStore:
    """A `ShardStore` in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shards: dict[str, _Shard] = {}

    def claim(
        self, shard: str, incarnation: str, fingerprint: str, epoch_floor: int = 0
    ) -> tuple[ShardHead, list[StateRow]]:
        """As the port says."""
        with self._lock:
            held = self._shards.setdefault(shard, _Shard(ShardHead(shard, incarnation, fingerprint, epoch=0, next=0)))
            held.head = replace(held.head, epoch=max(held.head.epoch, epoch_floor) + 1)
            return held.head, [StateRow(key, data) for key, data in sorted(held.rows.items())]

    def load(self, shard: str, keys: Sequence[str] | None = None) -> tuple[ShardHead, list[StateRow]] | None:
        """As the port says."""
        with self._lock:
            held = self._shards.get(shard)
            if held is None:
                return None
            wanted = held.rows if keys is None else keys
            return held.head, [StateRow(key, held.rows[key]) for key in wanted if key in held.rows]

    def commit(self, commit: Commit) -> Place:
        """As the port says."""
        with self._lock:
            held = self._checked(commit)
            before = len(held.outbox)
            self._apply(held, commit)
            return Place(held.last_seq, before)

    def set_fingerprint(self, commit: Commit, fingerprint: str) -> None:
        """As the port says."""
        check_rule_change(commit)
        with self._lock:
            held = self._checked(commit)
            held.rows.clear()
            held.head = replace(held.head, fingerprint=fingerprint)
            self._apply(held, commit)

    def drain(self, shard: str, limit: int, owner: ShardHead | None = None) -> list[OutboxEntry]:
        """As the port says."""
        with self._lock:
            held = self._shards.get(shard)
            if owner:
                check_place(owner, held.head if held else None)
            return held.outbox[:limit] if held else []

    def ack(self, shard: str, seq: int, owner: ShardHead | None = None) -> None:
        """As the port says."""
        with self._lock:
            held = self._shards.get(shard)
            if owner:
                check_owner(owner, held.head if held else None)
            if held:
                held.outbox = [entry for entry in held.outbox if entry.seq > seq]

    def forget(self, owner: ShardHead) -> None:
        """As the port says."""
        with self._lock:
            held = self._shards.get(owner.shard)
            check_owner(owner, held.head if held else None)
            del self._shards[owner.shard]

    def _checked(self, commit: Commit) -> _Shard:
        held = self._shards.get(commit.shard)
        check_commit(commit, held.head if held else None)
        return self._shards[commit.shard]

    def _apply(self, held: _Shard, commit: Commit) -> None:
        held.rows.update((row.key, row.data) for row in commit.rows)
        for entry in commit.outbox:
            held.last_seq += 1
            held.outbox.append(replace(entry, seq=held.last_seq))
        held.head = replace(held.head, next=commit.end, fates=add_fates(held.head.fates, commit.fates))
