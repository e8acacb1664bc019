"""The protocol over stores in memory: what was promised holds whatever is lost, doubled or started anew."""

import copy
import random
from dataclasses import replace
from functools import cache

import msgspec
import pytest

from tapewatch.model.alerts import Alert
from tapewatch.model.errors import RetryableError
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.detection import all_dead
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.memory import MemorySnapshots
from tapewatch.runtime.cluster.protocol.ports import Detection, Judged, ShardId, Snapshot
from tapewatch.runtime.cluster.protocol.terms import Phase
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.stores.port import AlertQuery, Commit, StateRow, Told
from tapewatch.tape.port import RawBatch
from tests.unit.runtime.cluster.protocol_support import SHARD, Inline, Queued, World, process
from tests.unit.runtime.pipeline_support import claimed, engine, memory, tape


@cache
def expected() -> dict[str, Alert | Signal]:
    """What embedded mode finds in the same tape."""
    sinks = memory()
    revisions: list[Alert] = []
    claimed(sinks, on_alerts=revisions.extend).run(tape(), 700)
    signals = sinks.alerts.signals(AlertQuery(newest_first=False, limit=1_000_000))
    bare = {f"{a.alert_id}:{a.revision}": msgspec.structs.replace(a, timestamp_detection=None) for a in revisions}
    return bare | {s.signal_id: msgspec.structs.replace(s, timestamp_detection=None) for s in signals}


def rows(world: World) -> list[tuple[str, bytes]]:
    found = world.store.load(SHARD.name)
    assert found is not None
    return sorted((row.key, row.data) for row in found[1])


def fates(world: World) -> dict[Fate, int]:
    found = world.store.load(SHARD.name)
    assert found is not None
    return {fate: count for fate, count in found[0].fates.items() if count}


@pytest.mark.parametrize("limit", [37, 500, 100_000])
def test_inline_finds_what_embedded_mode_finds(limit: int) -> None:
    world = World()
    process(world, limit=limit).run_to(tape().end)
    assert len(expected()) > 20
    assert world.topics.found() == expected()
    assert sum(fates(world).values()) == tape().end


def test_tasks_that_are_lost_doubled_or_late_change_nothing() -> None:
    world, chance = World(), random.Random(4)
    queue, workers = Queued(), [world.judge(), world.judge()]
    one = process(world, queue, limit=300)
    kept = []
    for _ in range(20_000):
        if one.driver.next >= tape().end and one.driver.mark.offset >= tape().end:
            break
        one.turn(0.5)
        for task in queue.tasks:
            kept += [task] * chance.choice([0, 1, 1, 1, 2])
        queue.tasks.clear()
        chance.shuffle(kept)
        while kept and chance.random() < 0.6:
            chance.choice(workers).run(kept.pop())
    assert one.driver.mark.offset == tape().end
    assert world.topics.found() == expected()
    assert sum(fates(world).values()) == tape().end
    assert sum(worker.refused["start"] for worker in workers) > 0
    assert one.driver.counts["redispatched"] > 0


def test_what_a_commit_tells_is_published_and_goes_on_without_a_look_at_the_state() -> None:
    world, queue = World(), Queued()
    one, worker = process(world, queue, limit=50), world.judge()
    while not queue.tasks:
        one.turn()
    while queue.tasks:
        task = queue.tasks.pop()
        for found in worker.run(task).found:
            told = Told(SHARD.name, task.incarnation, task.epoch, found.end, found.place, found.entries)
            one.driver.heard(replace(told, epoch=0, next=found.end + 7))  # of another claim: nothing is taken from it
            one.driver.heard(told)
        looks = count(world.store, "load")
        one.driver.step(one.now_s)  # takes what was told
        one.driver.step(one.now_s)  # dispatches what comes next
        assert not looks
    assert one.driver.next == tape().end
    assert world.topics.found() == expected()


def count(target: object, name: str) -> list[object]:
    """A list that grows with each call of a method."""
    calls: list[object] = []
    method = getattr(target, name)

    def counted(*args: object) -> object:
        calls.append(args)
        return method(*args)

    setattr(target, name, counted)
    return calls


def test_the_offset_waits_for_what_was_found_to_be_published() -> None:
    world = World()
    one = process(world)
    world.topics.down = True
    for _ in range(100):
        one.turn(1.0)
    assert one.driver.next == tape().end
    assert world.offsets.mark.offset == 0
    world.topics.down = False
    one.run_to(tape().end)
    assert world.topics.found() == expected()


def test_a_state_that_stands_before_what_was_committed_is_judged_on_under_another_epoch_only() -> None:
    """Its server came back with an older file, and no call failed: what is judged anew has numbers that were given."""
    world = World()
    one = process(world, limit=300)
    while one.driver.next < 600:
        one.turn()
    older = copy.deepcopy(world.store._shards)
    while one.driver.next < 1200:
        one.driver.step(one.now_s)
    world.store._shards = older
    epoch = one.driver.head.epoch if one.driver.head else 0
    while one.driver.counts["claims"] == 1:
        assert one.driver.next == 1200
        one.driver.step(one.now_s)
    one.run_to(tape().end)
    assert one.driver.head is not None and one.driver.head.epoch > epoch
    assert world.topics.found() == expected()
    assert sum(fates(world).values()) == tape().end


def test_a_driver_that_finishes_waits_for_what_is_in_flight_without_spinning() -> None:
    world = World()
    bridge = process(world, Queued())
    for _ in range(50):
        bridge.turn()
        if bridge.driver.in_flight:
            break
    assert bridge.driver.in_flight
    bridge.driver.finish()
    now_s, steps = bridge.now_s + 1.5, 0  # what is done every second is due by now, and is let be
    give_up = now_s + 1.0
    while now_s < give_up:
        now_s = max(bridge.driver.step(now_s).until_s, now_s)
        steps += 1
        assert steps < 40, "it asks to be called again at once"
    assert bridge.driver.in_flight, "nobody has judged it yet"


def test_an_older_process_is_fenced_and_does_not_claim_again_at_once() -> None:
    world = World()
    old = process(world)
    for _ in range(6):
        old.turn(0.1)
    new = process(world)
    new.run_to(tape().end)
    before = world.store.load(SHARD.name)
    for _ in range(10):
        old.turn(0.1)
    assert old.driver.phase is Phase.LOST
    assert old.driver.counts["refused:epoch"] > 0
    assert world.store.load(SHARD.name) == before
    assert world.topics.found() == expected()


@pytest.mark.parametrize("stop_at", [0, 1200, 2400])
def test_a_lost_state_is_rebuilt_to_the_same_bytes_and_nothing_is_missing(stop_at: int) -> None:
    whole, world = World(), World()
    process(whole).run_to(tape().end)
    one = process(world, limit=200)
    while one.driver.next < stop_at:
        one.turn(7.0)  # a snapshot every nine batches
    one.turn(1.0)
    committed = world.offsets.mark.offset
    told = len(world.topics.entries)
    world.lose_state()
    two = process(world, limit=200)
    two.run_to(tape().end)
    assert rows(world) == rows(whole)
    assert fates(world) == fates(whole)
    assert world.topics.found() == expected()
    assert two.driver.counts["rebuilt"] == (1 if committed else two.driver.counts["rebuilt"])
    assert len(world.topics.entries) - told < len(whole.topics.entries) or not committed


@pytest.mark.parametrize("unknown_snapshots", [0, 1, 2])
def test_a_state_of_an_unknown_layout_is_given_up_and_rebuilt_to_the_same_bytes(unknown_snapshots: int) -> None:
    whole, world = World(), World()
    process(whole).run_to(tape().end)
    one = process(world, limit=200)
    while one.driver.next < 1800:
        one.turn(25.0)  # a snapshot every three batches
    kept = [world.snapshots.newest(SHARD.name, 10_000_000)]
    assert kept[0] is not None
    kept.append(world.snapshots.newest(SHARD.name, kept[0].next - 1))
    for snapshot in kept[:unknown_snapshots]:
        assert snapshot is not None
        for row in snapshot.rows:
            object.__setattr__(row, "data", b"\7" + row.data[1:])  # the snapshots of the memory share their rows
    world.store.commit(of_another_version(world))
    two = process(world, limit=200)
    two.run_to(tape().end)
    assert rows(world) == rows(whole)
    assert fates(world) == fates(whole)
    assert world.topics.found() == expected()
    assert two.driver.counts["unreadable"] == 1 + unknown_snapshots
    assert two.driver.counts["rebuilt"] == 1
    assert not [e for e in world.topics.entries if e.kind == "audit"], "no gap, no change of rules"


def of_another_version(world: World) -> Commit:
    """A commit that leaves a row as a later version might have written it."""
    found = world.store.load(SHARD.name)
    assert found is not None
    head, stored = found
    row = next(row for row in stored if row.key.endswith("|hot"))
    newer = StateRow(row.key, (99).to_bytes(8, "little") + row.data[8:])
    return Commit(SHARD.name, head.incarnation, head.fingerprint, head.epoch, head.next, head.next, [newer], [], {})


class Failing(MemorySnapshots):
    """Writes so many, and then fails."""

    left = 1_000

    def write(self, snapshot: Snapshot, committed: int) -> bool:
        if not self.left:
            raise RetryableError("the broker is down")
        self.left -= 1
        return super().write(snapshot, committed)


def changed_at_1200(lost: bool) -> World:
    """The tape under the default rules up to 1200, under the prototype's from there on; `lost`: the state is lost right
    after the change, before a snapshot of the new state is written."""
    snapshots = Failing()
    world = World(snapshots=snapshots)
    one = process(world, limit=200)
    while one.driver.next < 1200:
        one.turn(7.0)
    world.engine = lambda: engine(RulesSettings(preset="prototype"))
    snapshots.left = 1 if lost else 1_000
    two = process(world, limit=200)
    while lost and two.driver.counts["rules_changed"] == 0:
        two.turn(0.1)
    if lost:
        assert two.driver.next == 1200
        world.lose_state()
        snapshots.left = 1_000
        two = process(world, limit=200)
    two.run_to(tape().end)
    assert two.driver.counts["rebuilt"] == int(lost)
    return world


def test_rules_that_change_do_so_at_the_same_place_where_the_state_is_lost_right_after() -> None:
    plain, lost = changed_at_1200(False), changed_at_1200(True)
    assert rows(lost) == rows(plain)
    assert fates(lost) == fates(plain)
    assert lost.topics.found() == plain.topics.found()
    ended = [a for a in plain.topics.found().values() if isinstance(a, Alert) and a.reason == "rule_changed"]
    assert ended, "alerts were open when their rules went"
    audit = [msgspec.json.decode(e.payload) for e in lost.topics.entries if e.kind == "audit"]
    assert {entry["detail"]["offset"] for entry in audit} == {1200}


def test_what_the_log_has_removed_is_told_as_a_gap() -> None:
    world = World()
    one = process(world, limit=200)
    while one.driver.next < 600:
        one.turn(0.1)
    world.log.first = 1000
    process(world, limit=200).run_to(tape().end)
    gaps = [msgspec.json.decode(e.payload) for e in world.topics.entries if e.kind == "audit"]
    assert [(g["action"], g["detail"]["to_offset"]) for g in gaps] == [("gap", 1000)]


def test_a_log_that_lost_its_end_is_waited_for_and_what_is_passed_over_is_told_once() -> None:
    world = World()
    one = process(world, limit=200)
    while one.driver.next < 600:
        one.turn(0.1)
    world.log.last = 450  # the broker comes back without what it had acknowledged
    for _ in range(50):
        one.turn(1.0)
    assert one.driver.next == 600
    assert "offset 600 is outside of the log, which ends at 450" in one.driver.trouble
    assert (one.driver.gap, one.driver.counts["gap_records"]) == ("offsets 450 to 599", 150)
    world.log.last = None  # it has grown past the place
    one.run_to(tape().end)
    assert one.driver.trouble == ""
    gaps = [msgspec.json.decode(e.payload)["detail"] for e in world.topics.entries if e.kind == "audit"]
    assert gaps == [{"from_offset": 450, "to_offset": 600, "records": 150}]


class Poisoned:
    """Detection that raises, or whose process dies, on the records at some offsets."""

    def __init__(self, inner: Detection, offsets: set[int], death: type[BaseException]) -> None:
        self._inner, self._offsets, self._death = inner, offsets, death
        self.keys, self.load = inner.keys, inner.load

    @property
    def fingerprint(self) -> str:
        return self._inner.fingerprint

    def judge(self, raw: RawBatch) -> Judged:
        if self._offsets & set(raw.offsets.tolist()):
            raise self._death("poison")
        return self._inner.judge(raw)


class DeathError(BaseException):
    """The process is gone."""


def poisoned(world: World, offsets: set[int], death: type[BaseException]) -> Judge:
    def make(shard: ShardId) -> Detection:
        return Poisoned(world.detection(shard), offsets, death)

    return Judge(world.store, world.attempts, make, all_dead)


def dead_offsets(world: World) -> dict[int, str]:
    found = [msgspec.json.decode(e.payload) for e in world.topics.entries if e.kind == "dead"]
    return {d["offset"]: d["reason"] for d in found if "torn" not in d["reason"]}


def test_records_on_which_detection_raises_are_found_and_no_other_is_lost() -> None:
    world, bad = World(), {3, 410, 411, 1900}
    process(world, Inline(poisoned(world, bad, ZeroDivisionError))).run_to(tape().end)
    assert set(dead_offsets(world)) == bad
    assert "ZeroDivisionError" in dead_offsets(world)[410]
    assert sum(fates(world).values()) == tape().end


@pytest.mark.parametrize("inline", [True, False])
def test_records_on_which_processes_die_are_found_and_no_other_is_lost(inline: bool) -> None:
    world, bad = World(), {3, 1900}
    queue = Queued()
    one = process(world, Inline(poisoned(world, bad, DeathError)) if inline else queue, limit=300)
    worker, deaths = poisoned(world, bad, DeathError), 0
    for _ in range(20_000):
        if one.driver.next >= tape().end and one.driver.mark.offset >= tape().end:
            break
        try:
            one.turn(0.3)
            while queue.tasks:
                worker.run(queue.tasks.pop(0))
        except DeathError:
            deaths += 1
            worker = poisoned(world, bad, DeathError)
            if inline:  # it took the bridge with it
                one = process(world, Inline(poisoned(world, bad, DeathError)), limit=300)
    assert set(dead_offsets(world)) == bad
    assert "died" in dead_offsets(world)[3]
    assert sum(fates(world).values()) == tape().end
    assert deaths <= 2 * (3 + 9 + 3)  # of the whole batch, of its halves, and alone
