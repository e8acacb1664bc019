"""One seeded schedule: processes act in any order, parts fail, and at last everything is well for long enough."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tapewatch.model.errors import CommitRefusedError
from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tests.simulation.processes import Bridge, Make, Owned, Worker
from tests.simulation.records import BEAT, POISON
from tests.simulation.world import BrokenPromiseError, Killed, World

STEPS, CALM = 120, 600


@dataclass(slots=True)
class Happened:
    """How often what happened: a fault that never came tells nothing."""

    kills: int = 0
    rollbacks: int = 0
    losses: int = 0
    doubled: int = 0
    lost_tasks: int = 0
    rebalances: int = 0
    repeats: int = 0
    left_out: int = 0
    offered: int = 0
    rebuilt: int = 0
    refused: int = 0
    snapshots: int = 0

    def add(self, other: "Happened") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Schedule:
    """`Schedule(seed).run()` raises BrokenPromiseError where the protocol fails."""

    seed: int
    make: Make = field(default_factory=Make)
    world: World = field(init=False)
    happened: Happened = field(default_factory=Happened)
    _rng: random.Random = field(init=False)
    _bridges: list[Bridge] = field(default_factory=list)
    _workers: list[Worker] = field(default_factory=list)
    _disk: object = None

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self.world = World(self._rng, self._rng.choice((1, 1, 2)), self._rng.randint(8, 24), self.make.store)

    def run(self) -> Happened:
        rng, world = self._rng, self.world
        inline = rng.random() < 0.4
        self._bridges = [Bridge(world, inline, self.make) for _ in range(2)]
        self._workers = [Worker(world) for _ in range(2)]
        self._disk = world.store.copy()
        for shard in world.shards:
            world.logs[shard].visible = rng.randint(0, len(world.logs[shard].records))
            self._rebalance(shard)
        world.kill, world.error = rng.choice((0.0, 0.01, 0.03)), rng.choice((0.0, 0.02, 0.08))
        for _ in range(STEPS):
            self._anything()
        self._calm()
        self._check()
        self.happened.repeats = world.topics.arrived - sum(map(len, world.topics.told.values()))
        return self.happened

    # --- whatever may happen

    def _anything(self) -> None:
        rng = self._rng
        action = rng.choices(
            (self._step, self._hear, self._relay, self._work, self._pass_time, self._grow, self._break),
            (30, 10, 16, 20, 14, 6, 4),
        )[0]
        action()

    def _step(self) -> None:
        bridge, owned = self._some_owned()
        if owned is not None:
            self._alive(bridge, lambda: owned.driver.step(self.world.now_s))

    def _hear(self) -> None:
        bridge, owned = self._some_owned()
        if owned is not None:
            self._alive(bridge, owned.hear)

    def _relay(self) -> None:
        bridge, owned = self._some_owned()
        if owned is not None:
            self._alive(bridge, self._rng.choice((owned.collect, owned.settle, owned.relay_turn)))

    def _work(self) -> None:
        queue, rng = self.world.queue, self._rng
        if not queue:
            return
        at = rng.choice((0, rng.randrange(len(queue))))
        roll = rng.random()
        if roll < 0.06:
            queue.pop(at)
            self.happened.lost_tasks += 1
            return
        keep = roll < 0.16
        self.happened.doubled += keep
        which = rng.randrange(len(self._workers))
        try:
            self._workers[which].take(at, keep)
        except Killed:
            self.happened.kills += 1
            self._workers[which] = Worker(self.world)

    def _pass_time(self) -> None:
        self.world.now_s += self._rng.choice((0.02, 0.3, 1.1, 4.0, 13.0, 61.0))

    def _grow(self) -> None:
        log = self.world.logs[self._rng.choice(self.world.shards)]
        log.visible = min(len(log.records), log.visible + self._rng.randint(1, 6))

    def _break(self) -> None:
        world, roll = self.world, self._rng.random()
        if roll < 0.35:
            self._rebalance(self._rng.choice(world.shards))
        elif roll < 0.5:
            self._learn()
        elif roll < 0.75:
            self._disk = world.store.copy()
        elif roll < 0.88:
            world.restart_state(self._disk)
            self.happened.rollbacks += 1
        else:
            world.restart_state({})
            self._disk = world.store.copy()
            self.happened.losses += 1
        if self._rng.random() < 0.1:
            world.queue.clear()  # the queue's server lost all

    def _rebalance(self, shard: ShardId) -> None:
        """The partition goes to one of the bridges; the other one hears of it, or goes on as if it were still its."""
        group = self.world.groups[shard]
        old, new = group.owner, self._rng.choice(self._bridges)
        if isinstance(old, Bridge) and shard in old.owned and self._rng.random() < 0.6:
            self._alive(old, lambda: old.revoked(shard, True))
        group.owner = new
        self.happened.rebalances += 1
        if new in self._bridges:
            new.assigned(shard)

    def _learn(self) -> None:
        """A bridge hears what the group knows."""
        for bridge in self._bridges:
            for shard in [s for s in bridge.owned if self.world.groups[s].owner is not bridge]:
                bridge.revoked(shard, False)

    def _some_owned(self) -> tuple[Bridge, Owned | None]:
        bridge = self._rng.choice(self._bridges)
        owned = list(bridge.owned.values())
        return bridge, self._rng.choice(owned) if owned else None

    def _alive(self, bridge: Bridge, act: Callable[[], object]) -> None:
        """Let a bridge act; where it dies, another one starts in its place and the group gives its partitions away."""
        try:
            act()
        except CommitRefusedError:
            pass  # settling what is another's by now
        except Killed:
            self.happened.kills += 1
            self._note(bridge)
            fresh = Bridge(self.world, bridge.inline, self.make)
            self._bridges[self._bridges.index(bridge)] = fresh
            for shard in self.world.shards:
                if self.world.groups[shard].owner is bridge:
                    self.world.groups[shard].owner = None
                    self._rebalance(shard)

    # --- the end

    def _calm(self) -> None:
        """Nothing fails any more: every partition comes to its end in time."""
        world = self.world
        world.kill = world.error = 0.0
        for log in world.logs.values():
            log.visible = len(log.records)
        for shard, group in world.groups.items():
            if group.owner not in self._bridges or shard not in group.owner.owned:
                group.owner = self._bridges[0]
                group.owner.assigned(shard)
        self._learn()
        for _ in range(CALM):
            world.now_s += 0.3
            for bridge in self._bridges:
                for owned in list(bridge.owned.values()):
                    owned.driver.step(world.now_s)
                    owned.relay_turn()
            while world.queue:
                self._workers[0].take(0, False)
            if all(bridge.done for bridge in self._bridges):
                return
        states = [
            (o.shard.partition, o.driver.phase, o.driver.next, o.driver.mark)
            for b in self._bridges
            for o in b.owned.values()
        ]
        raise BrokenPromiseError(f"it does not come to an end: {states}")

    def _check(self) -> None:
        world = self.world
        for bridge in self._bridges:
            self._note(bridge)
        for shard in world.shards:
            truth, told = world.truth[shard], world.topics.told.get(shard, {})
            if told != truth.told:
                missing, extra = truth.told.keys() - told.keys(), told.keys() - truth.told.keys()
                raise BrokenPromiseError(f"{shard}: missing {missing}, not expected {extra}, or another value")
            found = world.store.load(shard.name)
            assert found is not None
            head, rows = found
            if {r.key: r.data for r in rows if not r.key.startswith("*")} != truth.rows[-1]:
                raise BrokenPromiseError(f"{shard}: the state is not what an uninterrupted run leaves")
            self._check_fates(head.fates, world.logs[shard].records)

    def _check_fates(self, fates: dict[Fate, int], records: list[bytes]) -> None:
        beats, poison = records.count(BEAT), records.count(POISON)
        expected = {Fate.JUDGED: len(records) - beats - poison, Fate.HEARTBEAT: beats, Fate.DEAD: poison}
        if {f: n for f, n in fates.items() if n} != {f: n for f, n in expected.items() if n}:
            raise BrokenPromiseError(f"records are counted as {fates}, not as {expected}")

    def _note(self, bridge: Bridge) -> None:
        for owned in bridge.owned.values():
            counts = owned.driver.counts
            self.happened.rebuilt += counts["rebuilt"]
            self.happened.left_out += owned.relay.counts["on_topic"]
            self.happened.offered += owned.relay.counts["offered"]
            self.happened.snapshots += counts["snapshots"]
            self.happened.refused += sum(n for name, n in counts.items() if name.startswith("refused:"))
