"""Drains the outbox of one shard to its topics, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tapewatch.model.errors import CommitRefusedError
from tapewatch.runtime.cluster.protocol.ports import Publisher, ShardId
from tapewatch.stores.port import OutboxEntry, ShardHead, ShardStore

LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class _Batch:
    owner: ShardHead
    entries: Sequence[OutboxEntry]
    empties: int  # where the outbox is empty after it, the position below which everything is published; else -1


class Relay:
    """In the owning bridge. One turn is: `collect`, the publisher's `flush`, `settle`; where flush raises, `give_up`.

    What a turn did not settle is collected again: it is published again, with the same ids and values. `drained` is the
    position below which everything that was found is published and deleted; it is what the committed offset waits for.
    `fenced`: the store refused us since this was last set to False, and the owner should look why: it may have nothing
    to commit itself, and would never hear of it.
    """

    def __init__(self, shard: ShardId, store: ShardStore, publisher: Publisher, limit: int = LIMIT) -> None:
        self._shard, self._store, self._publisher, self._limit = shard, store, publisher, limit
        self._owner: ShardHead | None = None
        self._out: _Batch | None = None
        self.drained = -1
        self.published = self.refused = 0
        self.fenced = False

    def own(self, owner: ShardHead) -> None:
        """From now on under this claim; what was collected under another one can no longer be settled."""
        self._owner, self.drained = owner, -1

    def collect(self, next_known: int) -> Sequence[OutboxEntry]:
        """Hand the oldest entries to the publisher and return them. `next_known`: the shard's `next`, read before."""
        owner = self._owner
        if owner is None:
            return ()
        self._out = None
        try:
            entries = self._store.drain(self._shard.name, self._limit, replace(owner, next=next_known))
        except CommitRefusedError:  # another's by now, or the store lost a part: that nothing is there tells nothing
            self._fence()
            return ()
        if entries:
            self._publisher.send(self._shard, entries)
        self._out = _Batch(owner, entries, next_known if len(entries) < self._limit else -1)
        return entries

    def settle(self) -> None:
        """Delete what was collected, now that it is acknowledged. A refusal is counted: the shard is another's now."""
        batch, self._out = self._out, None
        if batch is None:
            return
        if batch.entries:
            try:
                self._store.ack(self._shard.name, batch.entries[-1].seq, batch.owner)
            except CommitRefusedError:
                self._fence()
                return
            self.published += len(batch.entries)
        if batch.owner is self._owner and batch.empties >= 0:
            self.drained = max(self.drained, batch.empties)

    def give_up(self) -> None:
        """What was collected may not have arrived: it stays in the outbox."""
        self._out = None

    def _fence(self) -> None:
        self.refused += 1
        self.fenced = True
