"""The merger as a shard: each record counts once, and a tape that gets another topic loses no minute."""

from collections.abc import Sequence

import msgspec
import pytest

from tapewatch.alerts.breadth import Merger
from tapewatch.model.errors import RetryableError, UnknownLayoutError
from tapewatch.model.market import MarketFindings, MarketMinute, Past, ShardMinutes
from tapewatch.model.ticks import Fate
from tapewatch.model.times import MINUTE_NS
from tapewatch.runtime.cluster.detection import all_dead, gap_entry, split_minutes
from tapewatch.runtime.cluster.merging import MinuteDetection, MinuteFigures, SourceRules
from tapewatch.runtime.cluster.protocol.driver import ShardDriver
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.cluster.protocol.relay import Relay
from tapewatch.runtime.cluster.protocol.terms import Limits, Phase, Ports
from tapewatch.runtime.cluster.sources import TapeSources, unread
from tapewatch.runtime.rule_change import MERGER
from tapewatch.stores.memory import MemoryShardStore
from tapewatch.stores.port import StateRow
from tests.unit.runtime.cluster.protocol_support import CutTape, Inline, Process, World

SHARD = ShardId("breadth", "id", 0)
ONE, TWO, LATER = "prices/a/0", "prices/a/1", "other/b/0"


def minute(end: int, *symbols: str) -> MarketMinute:
    """Four symbols are active, and these of them past their thresholds."""
    past = [Past("binance", s, False, end * MINUTE_NS - 1, -6_000_000, -60_000) for s in symbols]
    n = len(past)
    return MarketMinute(
        "binance:USDT", end * MINUTE_NS, 4, 0, n, 0, n, 4, -n * 6_000_000, n * 36_000_000, -n * 60_000, past
    )


def said(source: str, *minutes: MarketMinute, through: int = 0) -> ShardMinutes:
    return ShardMinutes(source, through * MINUTE_NS or minutes[-1].end_ns, list(minutes))


RECORDS = [
    said(ONE, minute(1, "A", "B", "C", "D")),
    said(TWO, minute(1, "E", "F", "G")),
    said(ONE, minute(1, "A", "B", "C", "D")),  # what a relay that died sends again
    said(TWO, minute(2), minute(3, "H")),
    said("gone/z/0", minute(1, "X", "Y", "Z")),
    said(ONE, minute(2, "A")),
    said(LATER, through=2),
    said(LATER, minute(3, "Q"), minute(4)),
    said(ONE, through=90),
    said(TWO, through=90),
    said(LATER, through=90),
]


class Installation:
    """A topic of breadth, with mergers on it; `shards` are those of the tape."""

    def __init__(self, values: Sequence[bytes], shards: Sequence[str]) -> None:
        log = CutTape()
        log.append(list(values), 1)
        self.world, self.shards, self.now_s = World(log=log), list(shards), 0.0
        self.sources = TapeSources(lambda: self.shards, lambda: self.now_s)

    def process(self, limit: int) -> Process:
        world, sources = self.world, self.sources
        judge = Judge(
            world.store, world.attempts, lambda s: MinuteDetection(s, sources, MinuteFigures()), all_dead
        )  # fmt: skip
        relay = Relay(SHARD, world.store, world.topics, world.topics)
        ports = Ports(
            log=world.log,
            offsets=world.offsets,
            store=world.store,
            executor=Inline(judge),
            attempts=world.attempts,
            snapshots=world.snapshots,
            rules=SourceRules(sources, world.store, lambda: 1),
            relay=relay,
            server_id=lambda: f"{world.server} {sources.stamp()}",
            incarnation=lambda: f"i{next(world.names)}",
            gap=lambda shard, start, first: [gap_entry(shard, start, first, 1)],
        )
        return Process(world, Inline(judge), ShardDriver(SHARD, ports, limits=Limits(messages=limit)), relay)

    def found(self) -> list[MarketFindings]:
        """What was published, repeats once."""
        payloads = dict.fromkeys(e.payload for e in self.world.topics.entries if e.kind == "market")
        return [msgspec.json.decode(payload, type=MarketFindings) for payload in payloads]

    def fates(self) -> dict[Fate, int]:
        found = self.world.store.load(SHARD.name)
        assert found is not None
        return dict(found[0].fates)


def encoded() -> list[bytes]:
    return [msgspec.json.encode(record) for record in RECORDS]


def merged(shards: Sequence[str], records: Sequence[ShardMinutes] = RECORDS) -> list[MarketFindings]:
    merger = Merger(shards)
    found = [merger.take(r) for r in records if r.source in shards and r.through_ns > merger.through[r.source]]
    return [f for f in found if f.through_ns]


def test_a_shard_of_a_topic_that_the_settings_do_not_name_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    sources = TapeSources(lambda: [ONE, TWO], lambda: 0.0)
    assert sources.has(ONE)
    assert not sources.has(LATER) and not sources.has(LATER)
    (told,) = caplog.messages
    assert LATER in told and "kafka.topics" in told


@pytest.mark.parametrize(
    ("wanted", "left_out"), [(["a"], ["ab", "b"]), (["^a"], ["b"]), (["b", "^a.$"], ["a"]), (["^"], [])]
)
def test_a_topic_is_left_out_where_no_name_and_no_pattern_stands_for_it(wanted: list[str], left_out: list[str]) -> None:
    assert unread(wanted, {"a", "ab", "b"}) == left_out


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_each_record_counts_once_and_the_groups_are_those_of_one_merger(limit: int) -> None:
    desk = Installation([*encoded(), b"[]"], [ONE, TWO])
    desk.process(limit).run_to(len(RECORDS) + 1)
    assert desk.found() == merged([ONE, TWO])
    assert [g.state for f in desk.found() for g in f.groups][-1] == "closed"
    assert desk.fates() == {Fate.JUDGED: 6, Fate.DUPLICATE: 1, Fate.LATE: 4, Fate.DEAD: 1}


@pytest.mark.parametrize("stop_at", [2, 5, 9])
def test_a_merger_that_died_or_lost_its_state_goes_on_to_the_same_findings(stop_at: int) -> None:
    desk = Installation(encoded(), [ONE, TWO])
    one = desk.process(1)
    while one.driver.next < stop_at:
        one.turn(61.0)
    desk.world.lose_state()
    two = desk.process(2)
    two.run_to(len(RECORDS))
    assert desk.found() == merged([ONE, TWO])


def test_a_topic_that_comes_is_waited_for_from_its_first_record_on() -> None:
    desk = Installation(encoded(), [ONE, TWO])
    one = desk.process(1)
    while one.driver.next < 6:
        one.turn(0.1)
    desk.shards.append(LATER)  # no look is due yet: its own record makes the merger look
    for _ in range(5_000):
        if one.driver.phase is Phase.RUN and one.driver.mark.offset >= len(RECORDS):
            break
        one.turn(0.3)
    assert one.driver.counts["rules_changed"] == 1
    assert desk.fates() == {Fate.JUDGED: 9, Fate.DUPLICATE: 1, Fate.LATE: 1}
    (change,) = [msgspec.json.decode(e.payload) for e in desk.world.topics.entries if e.kind == "audit"]
    assert change["detail"] == {"offset": 6, "added": LATER, "removed": ""}
    members = {m.symbol for f in desk.found() for g in f.groups for m in g.members}
    assert members == {*"ABCDEFGHQ"}


def test_nothing_is_merged_of_a_batch_that_names_a_new_shard() -> None:
    desk = Installation(encoded(), [ONE, TWO])
    desk.sources.look()
    detection = MinuteDetection(SHARD, desk.sources, MinuteFigures())
    desk.shards.append(LATER)
    with pytest.raises(RetryableError, match="new shards"):
        detection.judge(desk.world.log.read(0))
    assert detection.keys(desk.world.log.read(0)) == [MERGER]


def test_without_a_topic_nobody_merges() -> None:
    with pytest.raises(RetryableError, match="no topic"):
        Installation([], []).sources.stamp()


def test_a_state_of_another_version_is_refused() -> None:
    desk = Installation([], [ONE])
    desk.sources.look()
    with pytest.raises(UnknownLayoutError):
        SourceRules(desk.sources, MemoryShardStore(), lambda: 1).check([StateRow(MERGER, b"\xc1")])


@pytest.mark.parametrize("count", [0, 1, 1999, 2000, 5001])
def test_minutes_are_said_in_parts_that_come_to_the_same(count: int) -> None:
    minutes = [minute(n, "A") for n in range(1, count + 1)]
    parts = split_minutes(ONE, (count + 7) * MINUTE_NS, minutes)
    assert [m for part in parts for m in part.minutes] == minutes
    assert parts[-1].through_ns == (count + 7) * MINUTE_NS
    assert len(parts) == max(1, -(-count // 1000))
    assert all(part.through_ns == part.minutes[-1].end_ns for part in parts[:-1])
    whole = ShardMinutes(ONE, (count + 7) * MINUTE_NS, minutes)
    assert [m for f in merged([ONE], parts) for m in f.minutes] == [
        m for f in merged([ONE], [whole]) for m in f.minutes
    ]
