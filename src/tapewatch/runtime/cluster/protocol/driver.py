"""The owner of one partition: claims it, has its batches judged one at a time, and keeps what is committed in step."""

from collections import Counter
from dataclasses import replace

from tapewatch.model.errors import CommitRefusedError, RetryableError
from tapewatch.runtime.cluster.protocol.claiming import Claiming
from tapewatch.runtime.cluster.protocol.cutting import below, onward
from tapewatch.runtime.cluster.protocol.flight import Flight, Suspicion
from tapewatch.runtime.cluster.protocol.holding import Holding
from tapewatch.runtime.cluster.protocol.ports import Done, Found, Mark, ShardId, Task
from tapewatch.runtime.cluster.protocol.terms import Limits, Phase, Ports, Timing, Wait
from tapewatch.stores.port import ShardHead, Told
from tapewatch.tape.kafka_errors import LogShorterError, OffsetGoneError
from tapewatch.tape.port import RawBatch


class ShardDriver:
    """Drive it with `step(now_s)`, as soon as its answer says or a message has come. One thread at a time.

    Messages: `heard(told)` (the store told of a commit: may be lost, doubled or late; on any thread), `finish()` (begin
    nothing more: `idle` tells when nothing is in flight). The relay handed in is driven by the caller, on any thread:
    its `drained` is read here. Nothing else is shared.

    A simulator drives it so: many drivers (one a process and partition that the process owns), each with ports of its
    own process onto one simulated store, log, group and queue of tasks; an executor that puts tasks into that queue,
    from which simulated workers run the real `Judge`; a clock that jumps to the least `until_s`; and kills by raising a
    BaseException out of any call of a port, after which the driver and its relay are thrown away.

    `counts`: dispatched, redispatched, committed (batches), retried (something did not answer), gap_records, snapshots,
    claims, rebuilt, unreadable (states and snapshots of an unknown layout), and `refused:REASON`.
    """

    def __init__(
        self, shard: ShardId, ports: Ports, timing: Timing | None = None, limits: Limits | None = None
    ) -> None:
        self.shard, self._ports = shard, ports
        self._timing, self._limits = timing or Timing(), limits or Limits()
        self.phase = Phase.CLAIM
        self.counts: Counter[str] = Counter()
        self._held = Holding(shard, ports, self.counts)
        self._claiming = Claiming(self._held)
        self.trouble = ""  # why the last step did not go through, empty where it did
        self.gap = ""  # the offsets that were passed over last, empty where none were
        self._short_of = -1  # where the log was too short for us, once it is told
        self._uncertain = False  # whether the last batch was dispatched, or committed, is not known
        self._flight: Flight | None = None
        self._heard: Told | None = None
        self._suspicion = Suspicion(noted=True)
        self._finishing = False
        self._look_at = self._commit_at = self._snapshot_at = self._poll_at = self._lost_until = 0.0

    @property
    def head(self) -> ShardHead | None:
        """As of the claim, moved on by what is known to be committed; None before the first claim."""
        return self._held.head

    @property
    def mark(self) -> Mark:
        """What this driver committed last, or found committed."""
        return self._held.mark

    @property
    def unreadable(self) -> str:
        """What of a state, or of a snapshot, could not be read last; empty where all could."""
        return self._claiming.unreadable

    @property
    def next(self) -> int:
        """The shard's `next` as known here."""
        return self.head.next if self.head else 0

    @property
    def idle(self) -> bool:
        """Nothing is in flight that this driver would wait for."""
        return self._flight is None or self.phase is not Phase.RUN

    @property
    def in_flight(self) -> int:
        """How many messages are being judged."""
        return len(self._flight.raw) if self._flight else 0

    def heard(self, told: Told) -> None:
        """An executor has committed. What it found goes to the relay; of another claim than ours nothing is taken."""
        if not self._ours(told):
            self._poll_at = 0.0
            return
        if told.entries is not None:
            self._ports.relay.offer(Found(told.next, told.entries, told.place))
        self._heard = told

    def finish(self) -> None:
        """Dispatch nothing more; what is in flight may still be committed."""
        self._finishing = True

    def step(self, now_s: float) -> Wait:
        """Do the next thing. Raises InputError and GiveUpError only: a person has to look."""
        try:
            wait = self._act(now_s)
            self.trouble = ""
            return wait
        except RetryableError as error:
            self.trouble = str(error)
            self.counts["retried"] += 1
            self._look_at = 0.0  # at the server of the state first: it may have lost something
            return Wait(now_s + self._timing.retry_s)
        except CommitRefusedError as refusal:
            self._refused(refusal.reason, now_s)
            return Wait(now_s)

    def settle(self) -> None:
        """Commit what is drained, once more: when the partition is given back and `step` is no longer called."""
        if self.phase is Phase.RUN:
            self._held.commit_offset()

    def _act(self, now_s: float) -> Wait:
        if self.phase is Phase.RUN:
            return self._run(now_s)
        if self.phase is Phase.LOST:
            return self._wait_lost(now_s)
        if self.phase is Phase.CLAIM:
            self._flight, self._uncertain, self._suspicion = None, False, Suspicion(noted=True)
            self._heard = None
        self.phase = self._claiming.step(self.phase)
        if self.phase is Phase.RUN:
            self._look_at = self._commit_at = self._snapshot_at = 0.0
        return Wait(now_s + 0.02 if self._claiming.must_drain(self.phase) else now_s)

    # --- running

    def _run(self, now_s: float) -> Wait:
        self._keep(now_s)
        if self.phase is not Phase.RUN:
            return Wait(now_s)
        if self._flight is not None:
            return self._watch(now_s)
        if self._uncertain:
            self._look(now_s)
            self._uncertain = False
            return Wait(now_s)
        if self._finishing:
            return Wait(now_s + self._timing.look_s)
        raw = self._next_batch()
        if raw is None:
            return Wait(now_s)
        if raw.end == raw.start:
            return Wait(self._due(), raw.start)
        self._dispatch(self._suspicion.aim(raw, self._ports.attempts, self.shard.name), now_s)
        return Wait(now_s if self._flight is None else min(self._poll_at, self._flight.again_at))

    def _keep(self, now_s: float) -> None:
        """What has to happen every second and every minute."""
        if self._ports.relay.fenced:
            self._ports.relay.fenced = False
            self._look(now_s)
            if self.phase is not Phase.RUN:
                return
        if now_s >= self._look_at and not self._finishing:
            if self._ports.server_id() != self._held.server:
                self.phase = Phase.CLAIM
                return
            self._look_at = now_s + self._timing.look_s
        if now_s >= self._commit_at and not self._finishing:
            self._held.commit_offset()
            self._commit_at = now_s + self._timing.commit_s
        if now_s >= self._snapshot_at:
            if self._snapshot_at and not self._held.lost:
                self._held.take_snapshot()
            self._snapshot_at = now_s + self._timing.snapshot_s

    def _due(self) -> float:
        if self._finishing:  # the others are let be, and their time may have come
            return self._snapshot_at
        return min(self._look_at, self._commit_at, self._snapshot_at)

    def _next_batch(self) -> RawBatch | None:
        """What comes next, maybe empty; None where the log's beginning was jumped to."""
        head, limits = self._held.claimed(), self._limits
        try:
            raw = self._ports.log.read(head.next, limits.messages, limits.bytes)
        except OffsetGoneError as gone:
            self._jump(head, gone.first)
            return None
        except LogShorterError as short:
            self._wait_for_log(head, short.end)
            raise RetryableError(str(short)) from short
        return below(raw, self._held.silent_to) if head.next < self._held.silent_to else raw

    def _jump(self, head: ShardHead, first: int) -> None:
        """The log no longer has what comes next: say so, and go on where it begins. On a shard that is new to us,
        nothing is missing."""
        fresh = head.next == 0 and self.mark.offset == 0 and not self._held.lost
        told = () if fresh else self._ports.gap(self.shard, head.next, first)
        self._held.commit(first, outbox=told)
        if fresh:
            self.counts["before_us_records"] += first - head.next
        else:
            self._note_gap(head.next, first)
        self._held.head = replace(head, next=first)

    def _wait_for_log(self, head: ShardHead, end: int) -> None:
        """The broker has lost what was judged already. What takes those offsets now is not judged: positions and ids of
        alerts never go back. It is told once, and the shard goes on where the log has grown past it."""
        if self._short_of != head.next:
            self._held.commit(head.next, outbox=self._ports.gap(self.shard, end, head.next))
            self._note_gap(end, head.next)
            self._short_of = head.next

    def _note_gap(self, first: int, end: int) -> None:
        self.counts["gap_records"] += end - first
        self.gap = f"offsets {first} to {end - 1}"

    def _dispatch(self, aimed: tuple[RawBatch, str], now_s: float, again: Flight | None = None) -> None:
        head, (raw, condemned) = self._held.claimed(), aimed
        wait_s = min(2 * again.wait_s, self._timing.redispatch_most_s) if again else self._timing.redispatch_s
        self._flight = Flight(raw, wait_s, now_s + wait_s)
        self._poll_at = now_s + self._timing.poll_s
        silent = raw.start < self._held.silent_to
        task = Task(
            self.shard, head.incarnation, head.fingerprint, head.epoch, raw, silent, self._suspicion.noted, condemned
        )
        self.counts["redispatched" if again else "dispatched"] += 1
        if condemned:
            self.counts["condemned"] += len(raw)
        try:
            done = self._ports.executor.dispatch(task)
        except RetryableError:
            self._flight, self._uncertain = None, True
            raise
        if done is not None:
            self._done(done, now_s)

    def _done(self, done: Done, now_s: float) -> None:
        flight = self._flight
        self._flight = None
        if done.refused:
            self.counts[f"refused:{done.refused}"] += 1
            self._look(now_s)
        elif flight is not None:
            for found in done.found:
                self._ports.relay.offer(found)
            self._advance(done.next)

    def _advance(self, position: int) -> None:
        self._held.head = replace(self._held.claimed(), next=position)
        self.counts["committed"] += 1
        self._suspicion.passed(position, self._ports.attempts, self.shard.name)
        if self._held.lost and position >= self._held.silent_to:
            self._commit_at = 0.0

    def _watch(self, now_s: float) -> Wait:
        """A batch is in flight: look whether it is done, and dispatch again what nobody does."""
        flight = self._flight
        assert flight is not None
        told = self._heard
        if told is not None and flight.raw.start < told.next <= flight.raw.end and self._ours(told):
            self._reach(told.next, now_s)
            return Wait(now_s)
        if now_s >= self._poll_at:
            self._look(now_s)
            self._poll_at = now_s + self._timing.poll_s
            if self._flight is None or self.phase is not Phase.RUN:
                return Wait(now_s)
            flight = self._flight
        if now_s >= flight.again_at:
            if self._finishing:
                self._flight = None
                return Wait(now_s)
            self._suspicion.noted = True
            aimed = self._suspicion.aim(flight.raw, self._ports.attempts, self.shard.name)
            self._dispatch(aimed, now_s, flight)
        return Wait(min(self._poll_at, flight.again_at, self._due()))

    def _look(self, now_s: float) -> None:
        """Where the state says that the shard stands."""
        head, found = self._held.claimed(), self._ports.store.load(self.shard.name, [])
        if found is None:
            self._refused("incarnation", now_s)
            return
        stored = found[0]
        for reason in ("incarnation", "epoch", "fingerprint"):
            if getattr(stored, reason) != getattr(head, reason):
                self._refused(reason, now_s)
                return
        if stored.next < head.next:  # the store has lost the newest, and numbers its outbox anew: under another epoch
            self.phase = Phase.CLAIM
        elif stored.next > head.next:
            self._reach(stored.next, now_s)

    def _ours(self, told: Told) -> bool:
        head = self.head
        return head is not None and (told.incarnation, told.epoch) == (head.incarnation, head.epoch)

    def _reach(self, position: int, now_s: float) -> None:
        """The state stands there: what was in flight is committed, or a part of it."""
        flight = self._flight
        if flight is None or not flight.raw.start < position < flight.raw.end:
            self._flight = None
        else:  # a part of it: judged by halves
            wait_s = self._timing.redispatch_s
            self._flight = Flight(onward(flight.raw, position), wait_s, now_s + wait_s)
        self._advance(position)  # last: it may fail half-way, and what is in flight must not outlive it

    # --- losing it

    def _refused(self, reason: str, now_s: float) -> None:
        """The state says that it is no longer as we claimed it."""
        self.counts[f"refused:{reason}"] += 1
        if reason == "start":  # a commit whose answer was lost, or that was done twice: claim again to see
            self.phase = Phase.CLAIM
            return
        self.phase = Phase.LOST
        self._flight = None
        self._lost_until = now_s + self._timing.lost_s

    def _wait_lost(self, now_s: float) -> Wait:
        """Claim again only where the server of the state has changed, or the group says, after a while, that the
        partition is ours after all: two that claim from each other would get nothing done."""
        if self._ports.server_id() != self._held.server:
            self.phase = Phase.CLAIM
            return Wait(now_s)
        if now_s < self._lost_until:
            return Wait(min(self._lost_until, now_s + self._timing.look_s))
        self._lost_until = now_s + self._timing.lost_s
        self._held.write_mark(self._ports.offsets.committed())  # refused where we are no member
        self.phase = Phase.CLAIM
        return Wait(now_s)
