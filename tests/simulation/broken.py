"""Ways of breaking the protocol on purpose: each must be seen, or the simulator would see nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tapewatch.runtime.cluster.protocol.driver import ShardDriver
from tapewatch.runtime.cluster.protocol.ports import Found, ShardId, Snapshot, Snapshots
from tapewatch.runtime.cluster.protocol.relay import Relay
from tapewatch.runtime.cluster.protocol.terms import Ports
from tapewatch.stores.port import Commit, OutboxEntry, Place, ShardHead, StateRow
from tests.simulation.processes import Make
from tests.simulation.world import Arrived, Store


class CommitsAnything(Store):
    """No compare-and-set: whoever comes writes, wherever the shard stands."""

    def commit(self, commit: Commit) -> Place:
        found = self.load(commit.shard, [])
        if found is None:
            return super().commit(commit)
        head = found[0]
        held = self._shards[commit.shard]
        before = len(held.outbox)
        self._apply(held, replace(commit, start=head.next))
        return Place(held.last_seq, before)


class KnowsNoEpoch(Store):
    """Every claim has the same epoch, so that an owner cannot be told from the one before."""

    def claim(
        self, shard: str, incarnation: str, fingerprint: str, epoch_floor: int = 0
    ) -> tuple[ShardHead, list[StateRow]]:
        super().claim(shard, incarnation, fingerprint, epoch_floor)
        held = self._shards[shard]
        held.head = replace(held.head, epoch=1)
        self.latest[shard] = held.head.incarnation, 1
        return held.head, [StateRow(key, data) for key, data in sorted(held.rows.items())]


class ForgetsEpochs(Store):
    """The epoch is the store's alone: what was committed with the offset in Kafka is not looked at."""

    def claim(
        self, shard: str, incarnation: str, fingerprint: str, epoch_floor: int = 0
    ) -> tuple[ShardHead, list[StateRow]]:
        return super().claim(shard, incarnation, fingerprint, 0)


class NeverWaits(Relay):
    """The offset is committed whether or not what was found below it is published."""

    @property
    def drained(self) -> int:
        return 1 << 40

    @drained.setter
    def drained(self, value: int) -> None:
        """Nothing is remembered."""


class TakesEmptyForDrained(Relay):
    """An outbox that is empty counts as drained, even where the store has lost what was in it."""

    def own(self, owner: ShardHead) -> None:
        super().own(owner)
        store: Any = self._store  # a stand-in with two of its methods
        if not isinstance(store, _Unasked):
            stand_in: Any = _Unasked(store)
            self._store = stand_in


class _Unasked:
    def __init__(self, store: Any) -> None:
        self._inner = store

    def drain(self, shard: str, limit: int, _owner: ShardHead) -> object:
        return self._inner.drain(shard, limit)

    def ack(self, *args: object) -> None:
        self._inner.ack(*args)


class TakesAllForPublished(Arrived):
    """Whoever takes over takes everything for published."""

    def among(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> set[int]:
        return {entry.seq for entry in entries}


class TakesWhatIsOffered(Relay):
    """What was committed here is taken for all that the outbox holds."""

    def offer(self, found: Found) -> None:
        super().offer(replace(found, place=replace(found.place, before=0)))


class _Ahead:
    def __init__(self, inner: Snapshots) -> None:
        self.newest = inner.newest
        self._inner = inner

    def write(self, snapshot: Snapshot, committed: int) -> bool:
        return self._inner.write(replace(snapshot, next=snapshot.next + 1), committed)


class SnapshotsTooNew(ShardDriver):
    """A snapshot says that it is newer than the state in it."""

    def __init__(self, shard: ShardId, ports: Ports, *args: Any) -> None:
        super().__init__(shard, replace(ports, snapshots=_Ahead(ports.snapshots)), *args)


class TakesAPartForAll(Relay):
    """What fits into one turn is taken for all that the outbox holds."""

    def _drain(self, owner: ShardHead, next_known: int) -> bool:
        super()._drain(owner, next_known)
        self._handed.position = max(self._handed.position, next_known)
        if self._out is not None:
            self._out = replace(self._out, position=next_known)
        return False


BROKEN = {
    "no compare-and-set": Make(store=CommitsAnything),
    "no epoch": Make(store=KnowsNoEpoch),
    "an epoch that the store alone remembers": Make(store=ForgetsEpochs),
    "offset committed before the outbox drains": Make(relay=NeverWaits),
    "an outbox that was lost taken for one that is drained": Make(relay=TakesEmptyForDrained),
    "everything taken for published at a claim": Make(arrived=TakesAllForPublished),
    "a commit's entries taken for all that is found": Make(relay=TakesWhatIsOffered),
    "a turn's entries taken for all that is found": Make(relay=TakesAPartForAll),
    "snapshot newer than its state": Make(driver=SnapshotsTooNew),
}
