"""What the owner of a shard holds of it, and what it keeps outside of the state: the committed offset and snapshots."""

from collections import Counter
from collections.abc import Sequence

from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.protocol.ports import Mark, ShardId, Snapshot
from tapewatch.runtime.cluster.protocol.terms import Ports
from tapewatch.stores.port import Commit, OutboxEntry, ShardHead, StateRow


class Holding:
    """One shard under its claim. Of its methods, all but `claimed` talk to a server: they raise what the ports raise.

    `rows`: the state as claimed or restored, until it can run. `lost`: the state was, and is being judged again; then
    nothing is told below `silent_to`, and the committed offset stays. `server`: the `server_id` at the claim.
    """

    def __init__(self, shard: ShardId, ports: Ports, counts: Counter[str]) -> None:
        self.shard, self.ports, self.counts = shard, ports, counts
        self.head: ShardHead | None = None
        self.mark = Mark()
        self.rows: Sequence[StateRow] = ()
        self.server = ""
        self.lost = False
        self.silent_to = 0

    def claimed(self) -> ShardHead:
        """The head; there is one after the first claim."""
        assert self.head is not None, "every phase but the first has a head"
        return self.head

    def commit(
        self,
        end: int,
        rows: Sequence[StateRow] = (),
        outbox: Sequence[OutboxEntry] = (),
        fates: dict[Fate, int] | None = None,
    ) -> None:
        """Write to the state without an executor, and move to `end`."""
        h = self.claimed()
        self.ports.store.commit(
            Commit(self.shard.name, h.incarnation, h.fingerprint, h.epoch, h.next, end, rows, outbox, fates or {})
        )

    def write_mark(self, mark: Mark) -> None:
        """Commit the offset with the claim beside it."""
        self.ports.offsets.commit(mark)
        self.mark = mark

    def commit_offset(self) -> None:
        """Commit min(next, first undrained trigger); while a lost state is rebuilt, the offset stays."""
        head, drained = self.claimed(), self.ports.relay.drained
        offset = max(self.mark.offset, min(head.next, drained))
        if self.lost:
            if head.next < self.silent_to:
                return
            self.lost = False
        if (offset, head.epoch, head.incarnation) != (self.mark.offset, self.mark.epoch, self.mark.incarnation):
            self.write_mark(Mark(offset, head.epoch, head.incarnation))

    def take_snapshot(self) -> None:
        """Of the state as it is stored; where it is lost there is nothing to take, and the next look says so."""
        found = self.ports.store.load(self.shard.name)
        if found is None:
            return
        head, rows = found
        snapshot = Snapshot(self.shard.name, head.next, head.fingerprint, rows, dict(head.fates))
        written = self.ports.snapshots.write(snapshot, self.mark.offset)
        self.counts["snapshots" if written else "snapshots_put_off"] += 1
