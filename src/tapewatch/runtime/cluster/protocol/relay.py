"""Drains the outbox of one shard to its topics, in order."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tapewatch.model.errors import CommitRefusedError, RetryableError
from tapewatch.runtime.cluster.protocol.ports import Found, Published, Publisher, ShardId
from tapewatch.stores.port import OutboxEntry, ShardHead, ShardStore

LIMIT = 2_000


@dataclass(slots=True)
class _Handed:
    """How far the outbox was handed over, since it was last read from its beginning."""

    seq: int = 0  # of the last entry that was
    deleted: int = 0  # of the last entry that was acknowledged, and deleted
    count: int = 0  # entries handed over since the last collect
    position: int = -1  # everything found below it was handed over
    asks: bool = True  # what is read next may be on the topics already


@dataclass(frozen=True, slots=True)
class _Batch:
    owner: ShardHead
    of: _Handed
    seq: int  # of the last entry in it; 0 where there is none
    count: int  # how many were sent
    position: int  # everything found below it is published as soon as this is acknowledged; -1: not known
    asks_on: bool = False  # what comes after it may be on the topics too


class Relay:
    """In the owning bridge. One turn is: `collect`, the publisher's `flush`, `settle`; where flush raises, `give_up`.

    What commits tell, in this process or through the store, is offered (`offer`), and handed over at once if it is what
    the outbox goes on with. Everything else is read from the outbox by `collect`. After a claim, `published` is asked
    what of the outbox is on the topics already: the owner before may have died between the acknowledgement and the
    delete.

    What a turn did not settle is collected again: it is published again, with the same ids and values. `drained` is the
    position below which everything that was found is published and deleted; it is what the committed offset waits for.
    `fenced`: the store refused us since this was last set to False, and the owner should look why: it may have nothing
    to commit itself, and would never hear of it.

    `own` belongs to the thread of the shard, a turn to one other thread, `offer` to any. `counts`: published (entries),
    offered (those of them that were not read from the outbox), on_topic (those left out because they were there
    already), fenced (turns that the store refused).
    """

    def __init__(
        self, shard: ShardId, store: ShardStore, publisher: Publisher, published: Published, limit: int = LIMIT
    ) -> None:
        self._shard, self._store, self._publisher, self._published = shard, store, publisher, published
        self._limit = limit
        self._lock = threading.Lock()
        self._owner: ShardHead | None = None
        self._handed = _Handed()
        self._out: _Batch | None = None
        self.drained = -1
        self.counts: Counter[str] = Counter()
        self.fenced = False

    def own(self, owner: ShardHead) -> None:
        """From now on under this claim; what was collected under another one can no longer be settled."""
        with self._lock:
            self._owner, self.drained, self._handed = owner, -1, _Handed()

    def behind(self, position: int) -> bool:
        """Whether there may be something below this position that was not handed over."""
        return self._handed.position < position

    def offer(self, found: Found) -> None:
        """What was just committed under the claim, here or by an executor: handed over if it is what comes next. No
        round trip; an offer may be lost, late or doubled."""
        if self._handed.asks:  # before the lock: it is held while somebody asks
            return
        with self._lock:
            handed, place, count = self._handed, found.place, len(found.entries)
            follows = place.before == 0 or place.last_seq - count == handed.seq
            told_before = count > 0 and place.last_seq <= handed.seq
            if handed.asks or told_before or not follows or place.before + count > self._limit:
                return
            if count:
                try:
                    self._publisher.send(self._shard, found.entries)
                except RetryableError:  # the next flush raises too, and all of it is collected again
                    self._handed = _Handed()
                    return
                handed.seq = place.last_seq
                handed.count += count
                self.counts["offered"] += count
            handed.position = max(handed.position, found.end)
            self._note_drained(-1)

    def collect(self, next_known: int, *, look: bool = True) -> bool:
        """Begin a turn: what was handed over since the last one or, where that is nothing, the oldest entries of the
        outbox. Returns whether there is more to collect. `next_known`: the shard's `next`, read before. Without
        `look`, the outbox is only read where something below `next_known` was not handed over."""
        with self._lock:
            self._out = None
            owner, handed = self._owner, self._handed
            if owner is None:
                return False
            if handed.seq > handed.deleted:
                self._out = _Batch(owner, handed, handed.seq, handed.count, handed.position)
                handed.count = 0
                return self.behind(next_known)
            return self._drain(owner, next_known) if look or self.behind(next_known) else False

    def settle(self) -> None:
        """Delete what was collected, now that it is acknowledged. A refusal is counted: the shard is another's now."""
        batch, self._out = self._out, None
        if batch is None:
            return
        if batch.seq:
            try:
                self._store.ack(self._shard.name, batch.seq, batch.owner)
            except CommitRefusedError:
                self._fence()
                return
            self.counts["published"] += batch.count
        with self._lock:
            if batch.of is self._handed:
                batch.of.asks = batch.of.asks and batch.asks_on
                batch.of.deleted = max(batch.of.deleted, batch.seq)
                self._note_drained(batch.position)

    def give_up(self) -> None:
        """What was handed over may not have arrived: it stays in the outbox."""
        with self._lock:
            self._out, self._handed = None, _Handed()

    def _drain(self, owner: ShardHead, next_known: int) -> bool:
        try:
            entries = self._store.drain(self._shard.name, self._limit, replace(owner, next=next_known))
        except CommitRefusedError:  # another's by now, or the store lost a part: that nothing is there tells nothing
            self._fence()
            return False
        handed = self._handed
        found = self._not_there_yet(entries) if handed.asks else entries
        if found:
            self._publisher.send(self._shard, found)
        more = len(entries) >= self._limit
        if entries:
            handed.seq, handed.deleted = entries[-1].seq, entries[0].seq - 1
        if not more:
            handed.position = max(handed.position, next_known)
        asks_on = more and len(found) < len(entries)
        self._out = _Batch(owner, handed, handed.seq if entries else 0, len(found), handed.position, asks_on)
        return more

    def _not_there_yet(self, entries: Sequence[OutboxEntry]) -> Sequence[OutboxEntry]:
        if not entries:
            return entries
        self._publisher.flush()  # what this process had handed over itself has arrived, or never will
        there = self._published.among(self._shard, entries)
        self.counts["on_topic"] += len(there)
        return [entry for entry in entries if entry.seq not in there]

    def _note_drained(self, position: int) -> None:
        """Everything below `position` is published; if nothing is on its way, all that was handed over is."""
        handed = self._handed
        self.drained = max(self.drained, position, handed.position if handed.seq <= handed.deleted else -1)

    def _fence(self) -> None:
        self.counts["fenced"] += 1
        self.fenced = True
