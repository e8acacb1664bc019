"""Shard state, outbox and offsets in Redis: one Lua script a commit.

A shard has three keys that share the hash tag `{shard}`, so that a Redis Cluster keeps them on one server:

    tapewatch:{shard}:head     hash: incarnation, fingerprint, epoch, next, acked, fate:N
    tapewatch:{shard}:rows     hash: a row's key to its bytes, packed (`packing.py`)
    tapewatch:{shard}:outbox   list: undelivered entries, oldest first; the first one's seq is acked + 1

Each commit tells of itself on the channel `tapewatch:{shard}:next`: the new `next`, the epoch, the seq of the outbox's
newest entry, how many stood there before, how many came (-1: too many to be told), the incarnation; after a line's end
these entries, each behind its length and a blank.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

from tapewatch.model.errors import CommitRefusedError, GiveUpError
from tapewatch.model.ticks import Fate
from tapewatch.stores.port import Commit, OutboxEntry, OutboxKind, Place, ShardHead, StateRow, Told
from tapewatch.stores.redis.client import Client, answering
from tapewatch.stores.redis.lane import Lane
from tapewatch.stores.redis.packing import pack, unpack
from tapewatch.stores.redis.scripts import Script
from tapewatch.stores.shard_checks import check_direction, check_rule_change

PREFIX = "tapewatch"
_FATE = b"fate:"


class _Packed(msgspec.Struct, frozen=True, array_like=True):
    """An outbox entry as the list holds it; fields are only ever appended."""

    kind: OutboxKind
    key: str
    payload: bytes


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Packed).decode


class RedisShardStore:
    """A `ShardStore` on Redis 7 or newer, or on a Redis Cluster.

    What a commit wrote survives the death of this process, and that of the server as far as its append-only file does
    (`check_servers` asks for one). A call that raises RetryableError may have taken effect: the next one shows it.
    """

    def __init__(self, client: Client, prefix: str = PREFIX) -> None:
        self._client, self._lane = client, Lane(client)
        self._prefix = prefix
        self._claim, self._load, self._commit = Script("claim"), Script("load"), Script("commit")
        self._drain, self._ack, self._forget = Script("drain"), Script("ack"), Script("forget")

    def claim(
        self, shard: str, incarnation: str, fingerprint: str, epoch_floor: int = 0
    ) -> tuple[ShardHead, list[StateRow]]:
        """As the port says; a shard that Redis has lost is a new one."""
        keys = self._keys(shard, "head", "rows", "outbox")
        head, rows = self._claim(self._lane, keys, [incarnation, fingerprint, epoch_floor])
        return _head(shard, head), _rows(rows)

    def load(self, shard: str, keys: Sequence[str] | None = None) -> tuple[ShardHead, list[StateRow]] | None:
        """As the port says."""
        wanted = ["all"] if keys is None else ["some", *keys]
        head, rows = self._load(self._lane, self._keys(shard, "head", "rows"), wanted)
        return (_head(shard, head), _rows(rows)) if head else None

    def commit(self, commit: Commit) -> Place:
        """As the port says; one round trip."""
        return self._write(commit, "")

    def set_fingerprint(self, commit: Commit, fingerprint: str) -> None:
        """As the port says."""
        check_rule_change(commit)
        self._write(commit, fingerprint)

    def drain(self, shard: str, limit: int, owner: ShardHead | None = None) -> list[OutboxEntry]:
        """As the port says."""
        if limit <= 0:
            return []
        who: list[str | int] = [owner.incarnation, owner.epoch, owner.next] if owner else []
        acked, packed, refusal = self._drain(self._lane, self._keys(shard, "head", "outbox"), [limit, *who])
        if refusal and owner:
            raise _refused(refusal, {"incarnation": owner.incarnation, "epoch": owner.epoch, "start": owner.next})
        return _numbered(packed, int(acked or 0) + 1)

    def ack(self, shard: str, seq: int, owner: ShardHead | None = None) -> None:
        """As the port says."""
        who: list[str | int] = [owner.incarnation, owner.epoch] if owner else []
        refusal = self._ack(self._lane, self._keys(shard, "head", "outbox"), [seq, *who])
        if refusal and owner:
            raise _refused(refusal, {"incarnation": owner.incarnation, "epoch": owner.epoch})

    def forget(self, owner: ShardHead) -> None:
        """As the port says."""
        keys = self._keys(owner.shard, "head", "rows", "outbox")
        refusal = self._forget(self._lane, keys, [owner.incarnation, owner.epoch])
        if refusal:
            raise _refused(refusal, {"incarnation": owner.incarnation, "epoch": owner.epoch})

    def outbox_depth(self, shard: str) -> int:
        """How many entries wait to be delivered."""
        (key,) = self._keys(shard, "outbox")
        with answering():
            return int(self._client.llen(key))

    def channel(self, shard: str) -> str:
        """Where a commit says that `next` has moved."""
        return self._keys(shard, "next")[0]

    def told(self, shard: str, message: bytes) -> Told:
        """What a commit told on the channel; where another version told it, only that something moved."""
        try:
            line, _, rest = message.partition(b"\n")
            position, epoch, newest, before, count, incarnation = line.split(b" ", 5)
            place, first = Place(int(newest), int(before)), int(newest) - int(count) + 1
            packed = None if int(count) < 0 else _cut(rest, int(count))
            entries = None if packed is None else _numbered(packed, first)
        except (ValueError, msgspec.MsgspecError):
            return Told(shard, "", 0, 0, Place(0, 0), None)
        return Told(shard, incarnation.decode(), int(epoch), int(position), place, entries)

    def _write(self, commit: Commit, fingerprint: str) -> Place:
        check_direction(commit)
        args: list[str | bytes | int] = [commit.incarnation, commit.fingerprint, commit.epoch, commit.start, commit.end]
        args += [self.channel(commit.shard), fingerprint]
        args += [len(commit.fates), len(commit.rows), len(commit.outbox)]
        args += chain.from_iterable((_FATE + str(int(fate)).encode(), count) for fate, count in commit.fates.items())
        args += chain.from_iterable(
            zip([row.key for row in commit.rows], pack([row.data for row in commit.rows]), strict=True)
        )
        args += [_pack(_Packed(entry.kind, entry.key, entry.payload)) for entry in commit.outbox]
        answer = self._commit(self._lane, self._keys(commit.shard, "head", "rows", "outbox"), args)
        if answer[0]:
            raise _refused(answer, {name: getattr(commit, name) for name in _CHECKS})
        return Place(int(answer[1]), int(answer[2]))

    def _keys(self, shard: str, *names: str) -> list[str]:
        if not shard or "{" in shard or "}" in shard:
            raise ValueError(f"shard {shard!r} cannot be a hash tag")
        return [f"{self._prefix}:{{{shard}}}:{name}" for name in names]


_CHECKS = ("incarnation", "fingerprint", "epoch", "start")


def _numbered(packed: Sequence[bytes], first: int) -> list[OutboxEntry]:
    entries = (_unpack(entry) for entry in packed)
    return [OutboxEntry(e.kind, e.key, e.payload, seq) for seq, e in enumerate(entries, first)]


def _cut(rest: bytes, count: int) -> list[bytes]:
    """The entries in a message of a commit."""
    found, at = [], 0
    for _ in range(count):
        begin = rest.index(b" ", at) + 1
        at = begin + int(rest[at : begin - 1])
        found.append(rest[begin:at])
    return found


def _refused(refusal: list[Any], expected: dict[str, Any]) -> CommitRefusedError:
    reason, stored = refusal[0].decode(), refusal[1]
    known = None if stored is None else type(expected[reason])(stored.decode())
    return CommitRefusedError(reason, expected[reason], known)


def _head(shard: str, flat: list[bytes]) -> ShardHead:
    """A head from the fields and values of its hash."""
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    try:
        return ShardHead(
            shard,
            fields[b"incarnation"].decode(),
            fields[b"fingerprint"].decode(),
            int(fields[b"epoch"]),
            int(fields[b"next"]),
            {Fate(int(f[len(_FATE) :])): int(count) for f, count in fields.items() if f.startswith(_FATE)},
        )
    except (KeyError, ValueError) as problem:
        raise GiveUpError(f"what Redis holds as the head of shard {shard} is not ours: {problem!r}") from problem


def _rows(flat: list[bytes]) -> list[StateRow]:
    return [StateRow(key.decode(), data) for key, data in zip(flat[::2], unpack(flat[1::2]), strict=True)]
