"""What every GroupStore promises."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapewatch.model.market import Group, MarketFindings, MarketMinute, Member, Past
from tapewatch.model.secret import Secret
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticGroupStore,
    ElasticSettings,
    Refused,
    connect,
    ensure_indices,
)
from tapewatch.stores.memory import MemoryGroupStore
from tapewatch.stores.port import GroupQuery, GroupStore
from tapewatch.stores.redis import connect as connect_redis
from tapewatch.stores.redis.groups import RedisGroupStore
from tapewatch.stores.sqlite import Database, SqliteGroupStore

GROUP = Group(
    group_id="a" * 32,
    revision=1,
    market="binance:USDT",
    state="open",
    direction="drop",
    from_ns=100,
    opened_ns=200,
    last_ns=200,
    until_ns=900,
    active=4,
    past=3,
    move_pct=-4.25,
    members=[Member("binance", "ALGO/USDT", "drop", 200, -5.5)],
    message="binance:USDT fell as a whole.",
)
MINUTE = MarketMinute(
    "binance:USDT", 200, 4, 0, 4, 0, 3, 4, -9, 30, -170_000, [Past("binance", "A", False, 150, -8, -5)]
)


SERVERS = [pytest.param(name, marks=pytest.mark.cluster) for name in ("elasticsearch", "redis")]


@pytest.fixture(params=["memory", "sqlite", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GroupStore]:
    if request.param == "memory":
        yield MemoryGroupStore()
        return
    if request.param == "elasticsearch":
        yield from _elastic(request.getfixturevalue("elasticsearch_server").address)
        return
    if request.param == "redis":
        client = connect_redis(Secret(request.getfixturevalue("state_redis").address))
        yield RedisGroupStore(client, uuid.uuid4().hex)
        client.close()
        return
    database = Database(tmp_path / "db.sqlite")
    yield SqliteGroupStore(database, lambda: 1)
    database.close()


def _elastic(url: str) -> Iterator[GroupStore]:
    client = connect(ElasticSettings((url,)))
    prefix, refused = f"{uuid.uuid4().hex}-", list[Refused]()
    ensure_indices(client, prefix, only=("groups", "market-minutes"))
    yield ElasticGroupStore(client, BulkWriter(client, refused.append), prefix=prefix, refresh="true")
    assert refused == []
    client.indices.delete(index=",".join(client.indices.get(index=f"{prefix}*", features="aliases")))
    client.close()


def made(number: int, **changes: object) -> Group:
    return msgspec.structs.replace(GROUP, group_id=f"{number:032x}", opened_ns=100 * number, **changes)


def test_a_group_comes_back_as_its_newest_revision(store: GroupStore) -> None:
    later = msgspec.structs.replace(GROUP, revision=3, state="closed")
    assert store.put(MarketFindings([GROUP, later])) == [GROUP, later]
    assert store.put(MarketFindings([GROUP, msgspec.structs.replace(GROUP, revision=2), later])) == []
    assert store.groups(GroupQuery()) == [later]
    assert store.groups(GroupQuery(group_id="b" * 32)) == []


def test_pages_of_groups_are_in_order_and_never_overlap(store: GroupStore) -> None:
    groups = [made(n) for n in (3, 1, 2)] + [made(4, market="XNYS", state="closed")]
    store.put(MarketFindings(groups))
    first = store.groups(GroupQuery(limit=2))
    assert [g.opened_ns for g in first] == [400, 300]
    last = first[-1]
    assert [g.opened_ns for g in store.groups(GroupQuery(after=(last.opened_ns, last.group_id)))] == [200, 100]
    oldest = store.groups(GroupQuery(newest_first=False, limit=3))
    assert [g.opened_ns for g in oldest] == [100, 200, 300]
    after = (oldest[-1].opened_ns, oldest[-1].group_id)
    assert [g.opened_ns for g in store.groups(GroupQuery(newest_first=False, after=after))] == [400]


@pytest.mark.parametrize(
    ("query", "opened"),
    [
        (GroupQuery(market="XNYS"), [400]),
        (GroupQuery(state="open"), [200, 100]),
        (GroupQuery(from_ns=200), [400, 200]),
        (GroupQuery(to_ns=200), [100]),
        (GroupQuery(limit=0), []),
    ],
)
def test_filters_of_groups(store: GroupStore, query: GroupQuery, opened: list[int]) -> None:
    store.put(MarketFindings([made(1), made(2), made(4, market="XNYS", state="closed")]))
    assert [g.opened_ns for g in store.groups(query)] == opened


def test_minutes_are_kept_once_and_read_by_market_and_time(store: GroupStore) -> None:
    later = msgspec.structs.replace(MINUTE, end_ns=300)
    other = msgspec.structs.replace(MINUTE, market="XNYS")
    store.put(MarketFindings([], [later, MINUTE, other]))
    store.put(MarketFindings([], [msgspec.structs.replace(MINUTE, active=9)]))
    assert store.minutes("binance:USDT", 0, 1000) == [MINUTE, later]
    assert store.minutes("binance:USDT", 200, 300) == [MINUTE]
    assert store.minutes("nowhere", 0, 1000) == []
