"""What an executor does with one batch: state into memory, judge, commit once or be refused. The same in every one."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tapewatch.model.errors import CommitRefusedError, TapewatchError
from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.protocol.cutting import halves
from tapewatch.runtime.cluster.protocol.ports import Attempts, Detection, Done, Found, Judged, ShardId, Task
from tapewatch.stores.port import Commit, OutboxEntry, ShardStore
from tapewatch.tape.port import RawBatch

ALONE = 3
"""How often a record fails alone before it is a dead letter."""

MakeDead = Callable[[ShardId, RawBatch, str], Sequence[OutboxEntry]]
"""Dead letters of all messages of a batch, for this reason."""


@dataclass(slots=True)
class _Memory:
    """A shard's state here: that of `next`, as far as the rows `held` go (None: all rows)."""

    incarnation: str
    next: int
    detection: Detection
    held: set[str] | None


class Judge:
    """Judges tasks of any shards, one at a time, and keeps their state in memory for as long as nobody else moves it.

    Memory is used only where incarnation, rules and position are those of the task; else the rows that the batch needs
    are read. Where detection raises, the batch is halved until the records that it raises on are alone; such a record
    is a dead letter after its third time. `refused` counts refusals by the check that failed.
    """

    def __init__(
        self,
        store: ShardStore,
        attempts: Attempts,
        make: Callable[[ShardId], Detection],
        make_dead: MakeDead,
        on_commit: Callable[[Task, Judged], None] = lambda _task, _judged: None,
        on_refused: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        """`on_commit` hears of every commit, `on_refused` of every refusal by the check that failed."""
        self._store, self._attempts, self._make, self._make_dead = store, attempts, make, make_dead
        self._on_commit, self._on_refused = on_commit, on_refused
        self._memories: dict[str, _Memory] = {}
        self.refused: Counter[str] = Counter()
        self.fates: Counter[Fate] = Counter()
        self.loads: Counter[str] = Counter()

    def run(self, task: Task) -> Done:
        """Do all of it; RetryableError where the store does not answer (the batch may be committed then)."""
        shard, raw = task.shard.name, task.raw
        if task.noted:
            self._attempts.begin(shard, raw.start, raw.end)
        done = Done(raw.start)
        try:
            done = self._condemn(task) if task.condemned else self._range(task, raw)
        except CommitRefusedError as refusal:
            self._memories.pop(shard, None)
            self.refused[refusal.reason] += 1
            self._on_refused(refusal.reason)
            done = Done(raw.start, refusal.reason)
        except TapewatchError:
            self._memories.pop(shard, None)
            if task.noted:
                self._attempts.ended(shard, raw.start, raw.end)
            raise
        if task.noted:
            self._attempts.ended(shard, raw.start, raw.end)
        return done

    def _range(self, task: Task, raw: RawBatch, failed: int = 0) -> Done:
        memory = self._memory(task, raw)
        try:
            judged = memory.detection.judge(raw)
        except TapewatchError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it raises, it raises on some record of this batch
            del self._memories[task.shard.name]
            if len(raw) > 1:
                first, second = (self._range(task, half) for half in halves(raw))
                return Done(second.next, found=first.found + second.found)
            if failed + 1 < ALONE:
                return self._range(task, raw, failed + 1)
            return self._bury(task, raw, f"detection failed {ALONE} times on it alone: {type(error).__name__}: {error}")
        found = self._commit(task, raw, judged)
        memory.next = raw.end
        return Done(raw.end, found=(found,))

    def _condemn(self, task: Task) -> Done:
        return self._bury(task, task.raw, task.condemned)

    def _bury(self, task: Task, raw: RawBatch, reason: str) -> Done:
        letters = self._make_dead(task.shard, raw, reason)
        found = self._commit(task, raw, Judged((), letters, {Fate.DEAD: len(raw)} if len(raw) else {}))
        memory = self._memories.get(task.shard.name)
        if memory is not None and memory.next == raw.start:
            memory.next = raw.end
        return Done(raw.end, found=(found,))

    def _commit(self, task: Task, raw: RawBatch, judged: Judged) -> Found:
        outbox = () if task.silent else judged.outbox
        place = self._store.commit(
            Commit(
                task.shard.name, task.incarnation, task.fingerprint, task.epoch, raw.start, raw.end, judged.rows,
                outbox, judged.fates,
            )
        )  # fmt: skip
        self.fates.update(judged.fates)
        self._on_commit(task if raw is task.raw else replace(task, raw=raw), judged)
        return Found(raw.end, outbox, place)

    def _memory(self, task: Task, raw: RawBatch) -> _Memory:
        """The state at `raw.start` with all rows that the batch needs."""
        name = task.shard.name
        memory = self._memories.get(name)
        if (
            memory is None
            or memory.incarnation != task.incarnation
            or memory.next > raw.start
            or memory.detection.fingerprint != task.fingerprint  # what this process is set to may have changed
        ):
            memory = _Memory(task.incarnation, -1, self._make(task.shard), set())
        if memory.detection.fingerprint != task.fingerprint:
            raise CommitRefusedError("fingerprint", task.fingerprint, memory.detection.fingerprint)
        keys = memory.detection.keys(raw)
        current = memory.next == raw.start
        held = memory.held if current else set()
        if held is not None and (keys is None or not held.issuperset(keys)):
            self._load(task, raw, memory, keys)  # all that it needs, those that are held too: few, and read at once
            held = None if keys is None else held | set(keys)
        elif not current:
            self.loads["none"] += 1  # a batch without records
        memory.held, memory.next = held, raw.start
        self._memories[name] = memory
        return memory

    def _load(self, task: Task, raw: RawBatch, memory: _Memory, wanted: Sequence[str] | None) -> None:
        found = self._store.load(task.shard.name, wanted)
        if found is None:
            raise CommitRefusedError("incarnation", task.incarnation, None)
        head, rows = found
        checks = (
            ("incarnation", task.incarnation, head.incarnation),
            ("fingerprint", task.fingerprint, head.fingerprint),
            ("epoch", task.epoch, head.epoch),
            ("start", raw.start, head.next),
        )
        for reason, ours, stored in checks:
            if ours != stored:
                raise CommitRefusedError(reason, ours, stored)
        memory.detection.load(rows)
        self.loads["all" if wanted is None else "some"] += 1
