"""What the shard store does when its server dies, forgets, fills up or is the wrong one."""

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from tapewatch.model.errors import CommitRefusedError, GiveUpError, InputError, RetryableError
from tapewatch.model.secret import Secret
from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.servers import Running, redis
from tapewatch.stores.port import Commit, OutboxEntry, Place, ShardHead, StateRow, Told
from tapewatch.stores.redis import Moves, RedisShardStore, check_servers, connect, server_id

pytestmark = pytest.mark.cluster


@pytest.fixture
def server(state_redis: Running, tmp_path: Path) -> Iterator[Running]:
    """A server of the test's own, to be killed; it loses nothing that it acknowledged."""
    del state_redis  # asked for so that a missing Redis is reported in one place
    with redis.start(tmp_path, settings={"appendfsync": "always"}) as running:
        yield running


@pytest.fixture
def store(server: Running) -> RedisShardStore:
    return RedisShardStore(connect(Secret(server.address)))


def _commit(head: ShardHead, start: int, data: bytes = b"", *, entries: int = 1) -> Commit:
    """One record at `start`: a row of its own, the row `last`, and so many entries."""
    rows = [StateRow(f"XNAS|S{start}|hot", data), StateRow("*|last", str(start).encode())]
    outbox = [OutboxEntry("alert", "S", str(start).encode())] * entries
    fates = {Fate.JUDGED: 1}
    return Commit(head.shard, head.incarnation, head.fingerprint, head.epoch, start, start + 1, rows, outbox, fates)


def test_a_server_killed_in_the_middle_keeps_every_acknowledged_commit_and_no_half_of_one(
    server: Running, store: RedisShardStore
) -> None:
    head, _ = store.claim("s", "inc", "rules")
    acknowledged = 0

    def go_on_until_it_dies() -> None:
        nonlocal acknowledged
        with pytest.raises(RetryableError):
            while True:
                store.commit(_commit(head, acknowledged, b"x" * 500))
                acknowledged += 1

    worker = threading.Thread(target=go_on_until_it_dies)
    worker.start()
    give_up = time.monotonic() + 20
    while acknowledged < 50:
        assert time.monotonic() < give_up
        time.sleep(0.001)
    server.kill()
    worker.join()
    server.restart()
    after, rows = store.claim("s", "other", "rules")
    assert after.next in (acknowledged, acknowledged + 1)  # the last one's answer may have been lost
    assert (after.incarnation, after.epoch, after.fates) == ("inc", head.epoch + 1, {Fate.JUDGED: after.next})
    assert len(rows) == after.next + 1
    assert StateRow("*|last", str(after.next - 1).encode()) in rows
    assert [e.payload for e in store.drain("s", 10_000)] == [str(i).encode() for i in range(after.next)]
    store.commit(_commit(after, after.next))


def test_scripts_are_sent_again_to_a_server_that_forgot_them(server: Running, store: RedisShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 0))
    Redis.from_url(server.address).script_flush()
    store.commit(_commit(head, 1))
    server.restart()
    store.commit(_commit(head, 2))
    assert len(store.drain("s", 10)) == 3


def test_a_shard_that_was_flushed_is_a_fresh_one_and_the_old_owner_is_fenced(
    server: Running, store: RedisShardStore
) -> None:
    old, _ = store.claim("s", "before", "rules")
    store.commit(_commit(old, 0))
    Redis.from_url(server.address).flushall()
    with pytest.raises(CommitRefusedError, match="incarnation"):
        store.commit(_commit(old, 1))
    new, rows = store.claim("s", "after", "rules")
    assert (new, rows) == (ShardHead("s", "after", "rules", epoch=1, next=0), [])
    assert new.epoch == old.epoch  # so that only the incarnation tells them apart
    store.commit(_commit(new, 0))
    with pytest.raises(CommitRefusedError, match="incarnation"):
        store.commit(_commit(old, 1))
    with pytest.raises(CommitRefusedError, match="incarnation"):
        store.ack("s", 1, owner=old)
    assert len(store.drain("s", 10)) == 1


def test_of_two_bridges_only_the_later_one_commits_and_acknowledges(server: Running, store: RedisShardStore) -> None:
    other = RedisShardStore(connect(Secret(server.address)))
    old, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(old, 0))
    new, _ = other.claim("s", "inc", "rules")
    with pytest.raises(CommitRefusedError, match="epoch"):
        store.commit(_commit(old, 1))
    with pytest.raises(CommitRefusedError, match="epoch"):
        store.ack("s", 1, owner=old)
    other.commit(_commit(new, 1))
    other.ack("s", 1, owner=new)
    assert [e.seq for e in other.drain("s", 10)] == [2]


def test_a_full_server_refuses_whole_commits_and_lets_the_outbox_drain(server: Running, store: RedisShardStore) -> None:
    admin = Redis.from_url(server.address)
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 0, b"x" * 1_000_000, entries=5))
    admin.config_set("maxmemory", 1_000_000)
    before = store.load("s")
    with pytest.raises(RetryableError, match="maxmemory"):
        store.commit(_commit(head, 1))
    assert store.load("s") == before
    assert len(store.drain("s", 10)) == 5
    owner, _ = store.claim("s", "inc", "rules")
    store.ack("s", 5, owner=owner)
    assert store.outbox_depth("s") == 0
    admin.config_set("maxmemory", 0)
    store.commit(_commit(owner, 1))


def test_a_server_that_is_down_or_silent_is_worth_another_try(server: Running) -> None:
    store = RedisShardStore(connect(Secret(server.address), timeout_s=0.3))
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 0))
    server.pause()
    with pytest.raises(RetryableError):
        store.commit(_commit(head, 1))
    server.resume()
    assert _eventually_next(store, 2) == 2  # it heard us all the same
    server.kill()
    with pytest.raises(RetryableError):
        store.drain("s", 1)
    server.restart()
    assert len(store.drain("s", 10)) == 2


def test_a_wrong_password_is_ours_to_correct_and_is_not_shown(server: Running) -> None:
    Redis.from_url(server.address).config_set("requirepass", "right")
    for url in (server.address, server.address.replace("redis://", "redis://:hunter2@")):
        with pytest.raises(InputError) as refused:
            RedisShardStore(connect(Secret(url))).claim("s", "inc", "rules")
        assert "hunter2" not in str(refused.value)
    with pytest.raises(InputError, match="not a redis://"):
        connect(Secret("http://:hunter2@127.0.0.1"))


def test_what_is_not_a_shard_is_left_alone(server: Running, store: RedisShardStore) -> None:
    Redis.from_url(server.address).set("tapewatch:{s}:head", "mine")
    with pytest.raises(GiveUpError, match="WRONGTYPE"):
        store.claim("s", "inc", "rules")
    with pytest.raises(ValueError, match="hash tag"):
        store.claim("a{b}", "inc", "rules")


def test_servers_fit_for_their_parts_pass(state_redis: Running, queue_redis: Running) -> None:
    check_servers(connect(Secret(state_redis.address)), connect(Secret(queue_redis.address)))


def test_one_server_for_queue_and_state_is_refused_whatever_its_address(state_redis: Running) -> None:
    another_name = state_redis.address.replace("127.0.0.1", "localhost").replace("/0", "/1")
    with pytest.raises(GiveUpError, match="same server"):
        check_servers(connect(Secret(state_redis.address)), connect(Secret(another_name)))


def test_a_server_that_evicts_or_keeps_no_file_is_refused_with_both_reasons(queue_redis: Running) -> None:
    client = connect(Secret(queue_redis.address))
    Redis.from_url(queue_redis.address).config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(GiveUpError, match=r"allkeys-lru.*appendonly yes"):
            check_servers(client)
    finally:
        Redis.from_url(queue_redis.address).config_set("maxmemory-policy", "noeviction")


def test_a_restart_shows_in_the_id_of_the_server(server: Running) -> None:
    client = connect(Secret(server.address))
    before = server_id(client)
    assert server_id(client) == before
    server.restart()
    assert server_id(client) != before


def test_a_commit_wakes_who_waits_for_that_shard(server: Running, store: RedisShardStore) -> None:
    watched, _ = store.claim("watched", "inc", "rules")
    other, _ = store.claim("other", "inc", "rules")
    moves = Moves(connect(Secret(server.address)), store)
    moves.watch(["watched"])
    store.commit(_commit(other, 0))
    store.commit(_commit(watched, 0))
    store.commit(_commit(watched, 1))
    assert _moved(moves) == {"watched": 2}
    assert moves.wait(0.05) == []
    moves.close()


def test_a_commit_tells_what_it_found_and_where_that_stands(server: Running, store: RedisShardStore) -> None:
    head, _ = store.claim("s", "an inc", "rules")
    moves = Moves(connect(Secret(server.address)), store)
    moves.watch(["s"])
    few = [OutboxEntry("alert", "é 1\n", b"\x00 7 \n"), OutboxEntry("signal", "", b"")]
    many = [OutboxEntry("signal", "S", b"x")] * 101
    large = [OutboxEntry("signal", "S", b"x" * 70_000)]
    told: list[Told] = []
    for at, found in enumerate((few, [], many, large)):
        store.commit(replace(_commit(head, at), outbox=found))
    while len(told) < 4:
        told += moves.wait(1)
    numbered = [replace(entry, seq=seq) for seq, entry in enumerate(few, 1)]
    assert told[0] == Told("s", "an inc", head.epoch, 1, Place(last_seq=2, before=0), numbered)
    assert told[1] == Told("s", "an inc", head.epoch, 2, Place(last_seq=2, before=2), [])
    assert told[2] == Told("s", "an inc", head.epoch, 3, Place(last_seq=103, before=2), None)
    assert told[3] == Told("s", "an inc", head.epoch, 4, Place(last_seq=104, before=103), None)
    Redis.from_url(server.address).publish(store.channel("s"), "5")
    assert moves.wait(1) == [Told("s", "", 0, 0, Place(0, 0), None)], "of another version: that something moved"
    moves.close()


def test_who_waits_hears_again_after_the_server_came_back(server: Running, store: RedisShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    moves = Moves(connect(Secret(server.address)), store)
    moves.watch(["s"])
    server.kill()
    with pytest.raises(RetryableError):
        moves.wait(1)
    server.restart()
    moves.wait(0)
    store.commit(_commit(head, 0))
    assert _moved(moves) == {"s": 1}
    assert moves.reconnects >= 1


def test_shards_of_a_cluster_lie_on_both_servers_and_each_wakes_its_bridge(redis_cluster: str) -> None:
    client = connect(Secret(redis_cluster), cluster=True)
    store = RedisShardStore(client, prefix=uuid.uuid4().hex)
    moves = Moves(client, store)
    shards = [f"financial_prices-{i}" for i in range(8)]
    heads = [store.claim(shard, "inc", "rules")[0] for shard in shards]
    moves.watch(shards)
    heard: dict[str, int] = {}
    for head in heads:
        store.commit(_commit(head, 0))
    give_up = time.monotonic() + 10
    while len(heard) < len(shards):
        assert time.monotonic() < give_up
        heard |= {told.shard: told.next for told in moves.wait(0.2)}
    assert heard == dict.fromkeys(shards, 1)
    check_servers(client)
    assert len(server_id(client).split(",")) == 2


def _eventually_next(store: RedisShardStore, wanted: int) -> int:
    give_up = time.monotonic() + 10
    found = -1
    while found != wanted and time.monotonic() < give_up:
        loaded = store.load("s")
        found = loaded[0].next if loaded else -1
        time.sleep(0.02)
    return found


def _moved(moves: Moves) -> dict[str, int]:
    """What is heard until nothing more comes: messages may arrive one by one."""
    heard: dict[str, int] = {}
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        more = moves.wait(0.2)
        if heard and not more:
            break
        heard |= {told.shard: told.next for told in more}
    return heard
