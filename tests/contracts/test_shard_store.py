"""What every ShardStore promises."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tapewatch.model.errors import CommitRefusedError
from tapewatch.model.secret import Secret
from tapewatch.model.ticks import Fate
from tapewatch.stores.memory import MemoryShardStore
from tapewatch.stores.port import Commit, OutboxEntry, Place, ShardHead, ShardStore, StateRow
from tapewatch.stores.redis import RedisShardStore, connect
from tapewatch.stores.sqlite import Database, SqliteShardStore

A, B = StateRow("XNAS|TSLA|hot", b"a"), StateRow("binance|BTC/USDT|hot", b"b\x00\xff")
ALERT = OutboxEntry("alert", "TSLA", b"{}")


REAL = [pytest.param(name, marks=pytest.mark.cluster) for name in ("redis", "redis-cluster")]


@pytest.fixture(params=["memory", "sqlite", *REAL])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ShardStore]:
    if request.param == "memory":
        yield MemoryShardStore()
    elif request.param == "sqlite":
        database = Database(tmp_path / "db.sqlite")
        yield SqliteShardStore(database)
        database.close()
    else:
        clustered = request.param == "redis-cluster"
        url = request.getfixturevalue("redis_cluster") if clustered else request.getfixturevalue("state_redis").address
        client = connect(Secret(url), cluster=clustered)
        yield RedisShardStore(client, prefix=uuid.uuid4().hex)
        client.close()


def _commit(
    head: ShardHead, end: int, *rows: StateRow, outbox: tuple[OutboxEntry, ...] = (), **changed: object
) -> Commit:
    commit = Commit(
        head.shard, head.incarnation, head.fingerprint, head.epoch, head.next, end, rows, outbox, {Fate.JUDGED: 1}
    )
    return replace(commit, **changed)  # type: ignore[arg-type]  # the test names the fields that it breaks


def test_a_new_shard_starts_empty_at_zero_with_epoch_one(store: ShardStore) -> None:
    head, rows = store.claim("s", "inc", "rules")
    assert head == ShardHead("s", "inc", "rules", epoch=1, next=0, fates={})
    assert rows == []


def test_a_claim_raises_the_epoch_and_keeps_what_is_stored(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5, A, B))
    head, rows = store.claim("s", "another", "other rules")
    assert (head.incarnation, head.fingerprint, head.epoch, head.next) == ("inc", "rules", 2, 5)
    assert sorted(rows, key=lambda r: r.key) == [A, B]


def test_a_claim_takes_an_epoch_above_one_known_from_elsewhere(store: ShardStore) -> None:
    assert store.claim("s", "inc", "rules", epoch_floor=7)[0].epoch == 8
    assert store.claim("s", "inc", "rules", epoch_floor=3)[0].epoch == 9
    assert store.claim("s", "inc", "rules")[0].epoch == 10


def test_a_load_shows_head_and_wanted_rows_and_changes_nothing(store: ShardStore) -> None:
    assert store.load("s") is None
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5, A, B))
    seen = replace(head, next=5, fates={Fate.JUDGED: 1})
    assert store.load("s", [B.key, "nobody"]) == (seen, [B])
    assert store.load("s", []) == (seen, [])
    loaded = store.load("s")
    assert loaded is not None
    assert (loaded[0], sorted(loaded[1], key=lambda r: r.key)) == (seen, [A, B])
    store.commit(_commit(head, 6, start=5))


def test_rows_that_a_commit_does_not_name_stay_as_they_are(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5, A, B))
    store.commit(_commit(head, 9, replace(A, data=b"new"), start=5))
    assert {r.key: r.data for r in store.claim("s", "inc", "rules")[1]} == {A.key: b"new", B.key: B.data}


def test_fates_are_summed_over_commits(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5, fates={Fate.JUDGED: 3, Fate.DEAD: 2}))
    store.commit(_commit(head, 7, start=5, fates={Fate.JUDGED: 1, Fate.LATE: 1}))
    assert store.claim("s", "inc", "rules")[0].fates == {Fate.JUDGED: 4, Fate.DEAD: 2, Fate.LATE: 1}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"incarnation": "x", "fingerprint": "x", "epoch": 9, "start": 1}, "incarnation"),
        ({"fingerprint": "x", "epoch": 9, "start": 1}, "fingerprint"),
        ({"epoch": 9, "start": 1}, "epoch"),
        ({"epoch": 0}, "epoch"),
        ({"start": 1}, "start"),
        ({"shard": "never claimed"}, "incarnation"),
    ],
)
def test_a_commit_that_does_not_fit_is_refused_for_the_first_check_and_changes_nothing(
    store: ShardStore, changed: dict[str, object], reason: str
) -> None:
    head, _ = store.claim("s", "inc", "rules")
    with pytest.raises(CommitRefusedError) as refused:
        store.commit(_commit(head, 5, A, outbox=(ALERT,), **changed))
    assert refused.value.reason == reason
    assert store.drain("s", 10) == []
    after, rows = store.claim("s", "inc", "rules")
    assert (after.next, after.fates, rows) == (0, {}, [])


def test_a_batch_takes_effect_once_when_two_commit_it(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    outcomes: list[str] = []

    def attempt() -> None:
        try:
            store.commit(_commit(head, 5, A, outbox=(ALERT,)))
            outcomes.append("done")
        except CommitRefusedError as refused:
            outcomes.append(refused.reason)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done"] + ["start"] * 7
    assert len(store.drain("s", 10)) == 1


def test_who_was_overtaken_by_another_claim_cannot_commit(store: ShardStore) -> None:
    old, _ = store.claim("s", "inc", "rules")
    new, _ = store.claim("s", "inc", "rules")
    with pytest.raises(CommitRefusedError, match="epoch"):
        store.commit(_commit(old, 5))
    store.commit(_commit(new, 5))


def test_the_outbox_is_drained_in_order_until_it_is_acknowledged(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    entries = tuple(replace(ALERT, payload=str(i).encode()) for i in range(3))
    store.commit(_commit(head, 5, outbox=entries))
    drained = store.drain("s", 2)
    assert [(e.seq, e.payload) for e in drained] == [(1, b"0"), (2, b"1")]
    assert store.drain("s", 2) == drained
    store.ack("s", 2)
    assert [e.payload for e in store.drain("s", 2)] == [b"2"]


def test_who_no_longer_owns_a_shard_cannot_delete_from_its_outbox(store: ShardStore) -> None:
    old, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(old, 5, outbox=(ALERT, ALERT)))
    store.ack("s", 1, owner=old)
    new, _ = store.claim("s", "inc", "rules")
    for owner, reason in ((old, "epoch"), (replace(old, incarnation="lost"), "incarnation")):
        with pytest.raises(CommitRefusedError) as refused:
            store.ack("s", 2, owner=owner)
        assert refused.value.reason == reason
    with pytest.raises(CommitRefusedError, match="incarnation"):
        store.ack("never claimed", 2, owner=new)
    assert [e.seq for e in store.drain("s", 10)] == [2]
    store.ack("s", 2, owner=new)
    assert store.drain("s", 10) == []


def test_a_commit_may_hold_thousands_of_rows_and_entries(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    rows = [StateRow(f"XNAS|S{i:05}|hot", i.to_bytes(4, "little")) for i in range(9_001)]
    entries = tuple(OutboxEntry("signal", "é/€", i.to_bytes(4, "little")) for i in range(4_001))
    store.commit(_commit(head, 2**60, *rows, outbox=entries))
    assert [(e.seq, e.key, e.payload) for e in store.drain("s", 5_000)] == [
        (i + 1, e.key, e.payload) for i, e in enumerate(entries)
    ]
    head, kept = store.claim("s", "inc", "rules")
    assert (head.next, sorted(kept, key=lambda r: r.key)) == (2**60, rows)
    with pytest.raises(CommitRefusedError, match="start"):
        store.commit(_commit(head, 2**60 + 9, start=2**60 + 1))


def test_outbox_numbers_go_on_after_everything_was_acknowledged(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5, outbox=(ALERT, ALERT)))
    store.ack("s", 2)
    store.commit(_commit(head, 6, outbox=(ALERT,), start=5))
    assert [e.seq for e in store.drain("s", 10)] == [3]


def test_shards_do_not_touch_each_other(store: ShardStore) -> None:
    one, _ = store.claim("one", "inc", "rules")
    store.claim("two", "inc", "rules")
    store.commit(_commit(one, 5, A, outbox=(ALERT,)))
    store.ack("two", 10)
    assert len(store.drain("one", 10)) == 1
    assert store.drain("two", 10) == store.drain("three", 10) == []
    assert store.claim("two", "inc", "rules")[1] == []


def test_a_change_of_rules_keeps_only_the_rows_that_it_names(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5, A, B))
    change = _commit(head, 5, replace(A, data=b"kept"), outbox=(ALERT,), start=5, fates={})
    store.set_fingerprint(change, "new rules")
    assert len(store.drain("s", 10)) == 1
    head, rows = store.claim("s", "inc", "rules")
    assert (head.fingerprint, head.next, rows) == ("new rules", 5, [StateRow(A.key, b"kept")])
    store.commit(_commit(head, 6))


def test_a_change_of_rules_is_refused_like_a_commit_and_then_drops_nothing(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5, A))
    with pytest.raises(CommitRefusedError, match="start"):
        store.set_fingerprint(_commit(head, 4, start=4), "new rules")
    head, rows = store.claim("s", "inc", "rules")
    assert (head.fingerprint, rows) == ("rules", [A])


def test_a_change_of_rules_over_records_is_a_mistake_of_the_caller(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    with pytest.raises(ValueError, match="at one offset"):
        store.set_fingerprint(_commit(head, 3), "new rules")


def test_a_commit_that_goes_backwards_is_a_mistake_of_the_caller(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(head, 5))
    with pytest.raises(ValueError, match="before its start"):
        store.commit(_commit(head, 4, start=5))


def test_an_empty_outbox_is_told_from_one_that_was_lost(store: ShardStore) -> None:
    head = store.claim("s", "i1", "f")[0]
    store.commit(_commit(head, 3))
    seen = replace(head, next=3)
    assert store.drain("s", 10, seen) == []
    for other, reason in (
        (replace(seen, incarnation="i2"), "incarnation"),
        (replace(seen, epoch=head.epoch + 1), "epoch"),
        (replace(seen, next=4), "start"),
    ):
        with pytest.raises(CommitRefusedError) as refusal:
            store.drain("s", 10, other)
        assert refusal.value.reason == reason
    with pytest.raises(CommitRefusedError):
        store.drain("unknown", 10, replace(seen, shard="unknown"))


def test_a_shard_that_is_forgotten_is_new_and_only_its_owner_can_forget_it(store: ShardStore) -> None:
    old, _ = store.claim("s", "inc", "rules")
    store.commit(_commit(old, 5, A, outbox=(ALERT,)))
    other, _ = store.claim("other", "inc", "rules")
    store.commit(_commit(other, 5, B))
    owner, _ = store.claim("s", "inc", "rules")
    for stranger, reason in ((old, "epoch"), (replace(owner, incarnation="another"), "incarnation")):
        with pytest.raises(CommitRefusedError) as refusal:
            store.forget(stranger)
        assert refusal.value.reason == reason
    assert store.drain("s", 10) != []
    store.forget(owner)
    assert store.load("s") is None
    with pytest.raises(CommitRefusedError):
        store.forget(owner)
    head, rows = store.claim("s", "next", "rules", epoch_floor=7)
    assert (head, rows) == (ShardHead("s", "next", "rules", epoch=8, next=0, fates={}), [])
    assert store.drain("s", 10) == []
    kept = store.load("other")
    assert kept is not None
    assert kept[1] == [B]


def test_a_commit_says_where_its_entries_stand_in_the_outbox(store: ShardStore) -> None:
    head, _ = store.claim("s", "inc", "rules")
    assert store.commit(_commit(head, 5)) == Place(last_seq=0, before=0)
    assert store.commit(_commit(replace(head, next=5), 6, outbox=(ALERT, ALERT))) == Place(last_seq=2, before=0)
    assert store.commit(_commit(replace(head, next=6), 7, outbox=(ALERT,))) == Place(last_seq=3, before=2)
    store.ack("s", 2)
    assert store.commit(_commit(replace(head, next=7), 8)) == Place(last_seq=3, before=1)
    store.ack("s", 3)
    assert store.commit(_commit(replace(head, next=8), 9, outbox=(ALERT,))) == Place(last_seq=4, before=0)
