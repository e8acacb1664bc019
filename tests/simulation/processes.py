"""Processes of the simulated cluster: bridges with real drivers and relays, workers with the real judge."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tapewatch.model.errors import RetryableError
from tapewatch.runtime.cluster.protocol.driver import ShardDriver
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.ports import Done, ShardId, Task
from tapewatch.runtime.cluster.protocol.relay import LIMIT, Relay
from tapewatch.runtime.cluster.protocol.terms import Limits, Phase, Ports, Timing
from tapewatch.stores.port import OutboxEntry, ShardHead, StateRow, Told
from tests.simulation.records import dead, make_detection
from tests.simulation.world import Arrived, Faulty, Killed, Offsets, Producer, Store, World

MANIFEST = StateRow("*|manifest", b"rules-1")


class FixedRules:
    """The `Rules` of a cluster whose rules never change."""

    fingerprint = "rules-1"

    def manifest(self, rows: Sequence[StateRow]) -> StateRow | None:
        return None if any(row.key == MANIFEST.key for row in rows) else MANIFEST

    def check(self, rows: Sequence[StateRow]) -> None:
        """All are of one version."""

    def stale(self, rows: Sequence[StateRow]) -> bool:
        return False

    def change(self, head: ShardHead, rows: Sequence[StateRow]) -> ShardHead:
        raise AssertionError("there is nothing to change")


class Process:
    """Something that dies, or whose calls fail, as the world's dice say."""

    def __init__(self, world: World) -> None:
        self.world = world

    def hit(self) -> None:
        roll = self.world.rng.random()
        if roll < self.world.kill:
            raise Killed
        if roll < self.world.kill + self.world.error:
            raise RetryableError("no answer")

    def judge(self) -> Judge:
        world = self.world
        store, attempts = Faulty(world.store, self.hit), Faulty(world.attempts, self.hit)
        return Judge(store, attempts, make_detection, dead)


class Worker(Process):
    """Takes any task from the queue."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._judge = self.judge()

    def take(self, at: int, keep: bool) -> None:
        """Judge a task; where it is kept, it will be delivered again."""
        task = self.world.queue[at] if keep else self.world.queue.pop(at)
        with contextlib.suppress(RetryableError):  # no retries: the bridge dispatches again
            for found in self._judge.run(task).found:
                self.world.told.append(
                    Told(task.shard.name, task.incarnation, task.epoch, found.end, found.place, found.entries)
                )


class Queued:
    """The executor of a bridge with workers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def dispatch(self, task: Task) -> Done | None:
        self._world.queue.append(task)
        return None


class Inline:
    """The executor of a bridge that judges itself."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def dispatch(self, task: Task) -> Done | None:
        return self._judge.run(task)


class Watched:
    """An executor whose tasks are seen by the world."""

    def __init__(self, owned: "Owned", inner: Queued | Inline) -> None:
        self._owned, self._inner = owned, inner

    def dispatch(self, task: Task) -> Done | None:
        owned = self._owned
        owned.world.issue(task, (id(owned), owned.driver.counts["claims"]))
        return self._inner.dispatch(task)


@dataclass(slots=True)
class Make:
    """What a schedule, or a way of breaking the protocol, puts in place of the parts of a bridge."""

    driver: type[ShardDriver] = ShardDriver
    relay: type[Relay] = Relay
    store: type[Store] = Store
    arrived: type[Arrived] = Arrived


class Owned:
    """One partition in one bridge: its driver, its relay and the producer that the relay writes with."""

    def __init__(self, bridge: "Bridge", shard: ShardId, make: Make) -> None:
        world = self.world = bridge.world
        self.shard, hit = shard, bridge.hit
        self._producer = Producer(world.topics, world.rng)
        publisher = Faulty(self._producer, hit, self._producer.fail)
        store = Faulty(world.store, hit)
        published = Faulty(make.arrived(world.topics, world.rng), hit)
        self.relay = make.relay(shard, store, publisher, published, world.rng.choice((2, 5, LIMIT)))
        executor = Watched(self, Inline(bridge.judge()) if bridge.inline else Queued(world))
        ports = Ports(
            log=Faulty(world.logs[shard], hit),
            offsets=Faulty(Offsets(world.groups[shard], bridge), hit),
            store=store,
            executor=Faulty(executor, hit),
            attempts=Faulty(world.attempts, hit),
            snapshots=Faulty(world.snapshots, hit),
            rules=FixedRules(),
            relay=self.relay,
            server_id=lambda: str(world.server),
            incarnation=world.incarnation,
            gap=lambda _shard, start, first: [OutboxEntry("audit", f"gap:{start}:{first}", b"")],
        )
        limits = Limits(messages=world.rng.choice((1, 3, 8)))
        self.driver = make.driver(shard, ports, Timing(), limits)

    def hear(self) -> None:
        """What commits told: some of it is lost, and some comes twice, or late."""
        rng, told = self.world.rng, self.world.told
        for message in [m for m in told if m.shard == self.shard.name]:
            if rng.random() < 0.7:
                entries = message.entries if rng.random() < 0.8 else None
                self.driver.heard(replace(message, entries=entries))
            if rng.random() < 0.7:
                told.remove(message)

    def relay_turn(self) -> None:
        """Collect, flush, settle: other processes act in between where the schedule calls the parts."""
        self.collect()
        self.settle()

    def collect(self) -> None:
        try:
            self.relay.collect(self.driver.next, look=self.world.rng.random() < 0.5)
        except RetryableError:
            self._producer.fail()
            self.relay.give_up()

    def settle(self) -> None:
        try:
            self._producer.flush()
            self.relay.settle()
        except RetryableError:
            self.relay.give_up()


class Bridge(Process):
    """A member of the group."""

    def __init__(self, world: World, inline: bool, make: Make) -> None:
        super().__init__(world)
        self.inline, self._make = inline, make
        self.owned: dict[ShardId, Owned] = {}

    def assigned(self, shard: ShardId) -> None:
        """The group gave it this partition."""
        self.owned[shard] = Owned(self, shard, self._make)

    def revoked(self, shard: ShardId, graceful: bool) -> None:
        """The group took it away; gracefully, it commits what is drained first."""
        owned = self.owned.pop(shard)
        if graceful:
            with contextlib.suppress(RetryableError):
                owned.driver.finish()
                owned.driver.settle()

    @property
    def done(self) -> bool:
        """Everything that there is has been judged, told and committed."""
        return all(self._is_done(shard, owned.driver) for shard, owned in self.owned.items())

    def _is_done(self, shard: ShardId, driver: ShardDriver) -> bool:
        end, stored = len(self.world.logs[shard].records), self.world.store.load(shard.name, [])
        there = stored is not None and stored[0].next == driver.next == end
        return there and driver.phase is Phase.RUN and driver.mark.offset == end
