"""Snapshots of shards in a compacted topic: in parts, with a checksum, the two newest of each shard."""

from dataclasses import dataclass
from hashlib import blake2b

import lz4.frame
import msgspec

from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.protocol.memory import may_replace
from tapewatch.runtime.cluster.protocol.ports import Snapshot
from tapewatch.stores.port import StateRow
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_names import SNAPSHOTS
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings

PART_BYTES = 512 << 10
SLOTS = 2


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One message. A slot's parts belong together where `digest` is the same; fields are only ever appended."""

    shard: str
    slot: int
    next: int
    index: int
    count: int
    digest: bytes  # BLAKE2b, 16 bytes, of all parts together
    data: bytes


class _Body(msgspec.Struct, frozen=True, array_like=True):
    next: int
    fingerprint: str
    rows: list[tuple[str, bytes]]
    fates: dict[int, int]


def split(snapshot: Snapshot, slot: int) -> list[Part]:
    """The messages of a snapshot."""
    body = _Body(
        snapshot.next,
        snapshot.fingerprint,
        [(row.key, row.data) for row in snapshot.rows],
        {int(fate): count for fate, count in snapshot.fates.items()},
    )
    packed = lz4.frame.compress(msgspec.msgpack.encode(body))
    digest = blake2b(packed, digest_size=16).digest()
    cuts = range(0, len(packed), PART_BYTES)
    return [
        Part(snapshot.shard, slot, snapshot.next, i, len(cuts), digest, packed[at : at + PART_BYTES])
        for i, at in enumerate(cuts)
    ]


def join(parts: list[Part]) -> Snapshot | None:
    """The snapshot of one slot's parts, in any order; None where a part is missing, of another one, or damaged."""
    if not parts:
        return None
    newest = max(parts, key=lambda p: p.next)
    found = {p.index: p for p in parts if p.digest == newest.digest}
    if len(found) != newest.count:
        return None
    packed = b"".join(found[i].data for i in range(newest.count))
    if blake2b(packed, digest_size=16).digest() != newest.digest:
        return None
    body = msgspec.msgpack.decode(lz4.frame.decompress(packed), type=_Body)
    rows = [StateRow(key, data) for key, data in body.rows]
    return Snapshot(newest.shard, body.next, body.fingerprint, rows, {Fate(f): n for f, n in body.fates.items()})


@dataclass(slots=True)
class _Kept:
    next: int
    slot: int


class KafkaSnapshots:
    """`Snapshots` of one shard on its partition of the topic. For one thread.

    Finding one reads the partition from its beginning: megabytes, as a rule. Raises RetryableError.
    """

    def __init__(
        self, settings: KafkaSettings, publisher: KafkaPublisher, partition: int, topic: str = SNAPSHOTS
    ) -> None:
        """`partition` of the topic of snapshots."""
        self._settings, self._publisher, self._topic, self._partition = settings, publisher, topic, partition
        self._kept: dict[str, list[_Kept]] = {}

    def write(self, snapshot: Snapshot, committed: int) -> bool:
        shard = snapshot.shard
        if shard not in self._kept:
            self._kept[shard] = [_Kept(found.next, slot) for slot, found in self._read(shard)]
        kept = self._kept[shard]
        if not may_replace([k.next for k in kept], committed):
            return False
        free = set(range(SLOTS)) - {k.slot for k in kept}
        slot = kept[0].slot if len(kept) == SLOTS else min(free)
        parts = split(snapshot, slot)
        keys = [f"{shard}:{slot}:{part.index}".encode() for part in parts]
        del self._kept[shard]  # known again when it is written as a whole
        self._publisher.publish(
            self._topic, list(keys), [msgspec.msgpack.encode(p) for p in parts], partition=self._partition
        )
        self._kept[shard] = [*(k for k in kept if k.slot != slot), _Kept(snapshot.next, slot)]
        return True

    def newest(self, shard: str, at_most: int) -> Snapshot | None:
        found = [snapshot for _, snapshot in self._read(shard) if snapshot.next <= at_most]
        return found[-1] if found else None

    def _read(self, shard: str) -> list[tuple[int, Snapshot]]:
        """Slots with whole snapshots, the older one first."""
        tape = KafkaTape(self._settings, self._topic, self._partition)
        parts: dict[tuple[int, int], Part] = {}
        try:
            at, end = tape.bounds()
            while at < end:
                raw = tape.read(at)
                for i in range(len(raw)):
                    part = msgspec.msgpack.decode(raw.data[raw.starts[i] : raw.starts[i + 1]], type=Part)
                    if part.shard == shard:
                        parts[part.slot, part.index] = part
                at = raw.end
        finally:
            tape.close()
        slots = {slot: join([p for (s, _), p in parts.items() if s == slot]) for slot in range(SLOTS)}
        whole = [(slot, snapshot) for slot, snapshot in slots.items() if snapshot is not None]
        return sorted(whole, key=lambda found: found[1].next)
