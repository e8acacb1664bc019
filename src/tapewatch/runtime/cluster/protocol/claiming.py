"""From the claim of a shard to a state that can run."""

from collections.abc import Sequence
from dataclasses import replace

from tapewatch.model.errors import UnknownLayoutError
from tapewatch.runtime.cluster.protocol.holding import Holding
from tapewatch.runtime.cluster.protocol.ports import Mark
from tapewatch.runtime.cluster.protocol.terms import Phase
from tapewatch.stores.port import StateRow


class Claiming:
    """The phases CLAIM, FENCE, RESTORE, RULES and REBUILD. `step` does one of them and says which comes next.

    Each can be done again where it failed half-way. Counts claims, rebuilt, unreadable and rules_changed.
    """

    def __init__(self, held: Holding) -> None:
        self._held, self._ports = held, held.ports
        self.unreadable = ""  # what of a state, or of a snapshot, could not be read last

    def step(self, phase: Phase) -> Phase:
        """The next phase; the same one while what was found has to be drained first."""
        return {
            Phase.CLAIM: self._claim,
            Phase.FENCE: self._fence,
            Phase.RESTORE: self._restore,
            Phase.RULES: self._set_rules,
            Phase.REBUILD: self._give_up_state,
        }[phase]()

    def must_drain(self, phase: Phase) -> bool:
        """Before the rules change, or a state is given up that cannot be read, everything found under it is out, and
        the committed offset says so."""
        held = self._held
        ends = phase is Phase.REBUILD or (phase is Phase.RULES and self._must_change())
        return ends and not held.lost and self._ports.relay.drained < held.claimed().next

    def _claim(self) -> Phase:
        held, ports = self._held, self._ports
        held.server = ports.server_id()
        held.mark = ports.offsets.committed()
        held.head, held.rows = ports.store.claim(
            held.shard.name, ports.incarnation(), ports.rules.fingerprint, held.mark.epoch
        )
        held.counts["claims"] += 1
        held.lost = held.mark.incarnation not in ("", held.head.incarnation)
        ports.relay.own(held.head)
        return Phase.FENCE

    def _fence(self) -> Phase:
        """No task may carry the epoch before Kafka knows it: the store may lose it, and would give it a second time."""
        held, head = self._held, self._held.claimed()
        known = held.mark.incarnation or head.incarnation
        held.write_mark(Mark(held.mark.offset, head.epoch, known))
        held.silent_to = held.mark.offset if held.lost else 0
        return Phase.RESTORE if held.lost and head.next == 0 else Phase.RULES

    def _restore(self) -> Phase:
        """The state was lost: from the newest snapshot at or below the committed offset that can be read, or from
        nothing."""
        held, snapshots = self._held, self._ports.snapshots
        found = snapshots.newest(held.shard.name, held.mark.offset)
        while found is not None and not self._readable(found.rows):
            found = snapshots.newest(held.shard.name, found.next - 1)
        if found is not None:
            held.commit(found.next, found.rows, fates=dict(found.fates))
            held.head = replace(held.claimed(), next=found.next)
            held.rows = found.rows
        held.counts["rebuilt"] += 1
        return Phase.RULES

    def _readable(self, rows: Sequence[StateRow]) -> bool:
        try:
            self._ports.rules.check(rows)
        except UnknownLayoutError as error:
            self._held.counts["unreadable"] += 1
            self.unreadable = str(error)
            return False
        return True

    def _give_up_state(self) -> Phase:
        """Of an unknown layout: as if it were lost, once all that was found under it is out."""
        if self.must_drain(Phase.REBUILD):
            return Phase.REBUILD
        self._held.commit_offset()
        self._ports.store.forget(self._held.claimed())
        return Phase.CLAIM

    def _must_change(self) -> bool:
        rules = self._ports.rules
        return self._held.claimed().fingerprint != rules.fingerprint or rules.stale(self._held.rows)

    def _set_rules(self) -> Phase:
        held, rules = self._held, self._ports.rules
        if held.rows and not self._readable(held.rows):
            return Phase.REBUILD
        if self.must_drain(Phase.RULES):
            return Phase.RULES
        manifest = rules.manifest(held.rows)
        if self._must_change():
            held.commit_offset()
            if not held.lost:  # a rebuild begins here, never before, and so makes the change at the same place
                held.take_snapshot()
            held.head = rules.change(held.claimed(), held.rows)
            held.counts["rules_changed"] += 1
        elif manifest is not None:
            held.commit(held.claimed().next, (manifest,))
        held.rows = ()
        return Phase.RUN
