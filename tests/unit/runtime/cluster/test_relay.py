"""The relay of one shard: at once where it can, from the outbox where it must, twice only where nobody can know."""

from collections.abc import Sequence
from dataclasses import replace

from tapewatch.model.errors import RetryableError
from tapewatch.runtime.cluster.protocol.ports import Found, ShardId
from tapewatch.runtime.cluster.protocol.relay import Relay
from tapewatch.stores.memory import MemoryShardStore
from tapewatch.stores.port import Commit, OutboxEntry, ShardHead

SHARD = ShardId("prices", "id", 0)


class Store(MemoryShardStore):
    """Counts how often its outbox is read."""

    drains = 0

    def drain(self, shard: str, limit: int, owner: ShardHead | None = None) -> list[OutboxEntry]:
        self.drains += 1
        return super().drain(shard, limit, owner)


class Topic:
    """Everything arrives; `refusals` flushes and sends say that it did not."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.asked = self.refused_sends = self.refused_flushes = 0

    def send(self, _shard: ShardId, entries: Sequence[OutboxEntry]) -> None:
        self.told += [entry.key for entry in entries]
        if self.refused_sends:
            self.refused_sends -= 1
            self.refused_flushes += 1
            raise RetryableError("the broker is away")

    def flush(self) -> None:
        if self.refused_flushes:
            self.refused_flushes -= 1
            raise RetryableError("not acknowledged")

    def among(self, _shard: ShardId, entries: Sequence[OutboxEntry]) -> set[int]:
        self.asked += 1
        return {entry.seq for entry in entries if entry.key in self.told}


class Owner:
    """Claims the shard and commits; what it finds is offered to its relay where that is asked for."""

    def __init__(self, store: Store, topic: Topic, limit: int = 100) -> None:
        self.store, self.topic = store, topic
        self.relay = Relay(SHARD, store, topic, topic, limit)
        self.head, _ = store.claim(SHARD.name, "inc", "rules")
        self.relay.own(self.head)

    def commit(self, *keys: str, offered: bool = True) -> None:
        head, entries = self.head, [OutboxEntry("alert", key, b"") for key in keys]
        place = self.store.commit(
            Commit(head.shard, head.incarnation, "rules", head.epoch, head.next, head.next + 1, (), entries, {})
        )
        self.head = replace(head, next=head.next + 1)
        if offered:
            self.relay.offer(Found(self.head.next, entries, place))

    def turn(self, look: bool = False) -> None:
        """Turns until there is no more to collect."""
        more = True
        while more:
            try:
                more = self.relay.collect(self.head.next, look=look)
                self.topic.flush()
                self.relay.settle()
            except RetryableError:
                self.relay.give_up()
                more = True

    @property
    def waiting(self) -> int:
        return len(MemoryShardStore.drain(self.store, SHARD.name, 1_000))


def settled(store: Store, topic: Topic, limit: int = 100) -> Owner:
    """An owner whose first turn is over."""
    owner = Owner(store, topic, limit)
    owner.turn()
    return owner


def test_what_is_committed_here_goes_out_at_once_and_the_outbox_is_not_read() -> None:
    owner = settled(Store(), Topic())
    reads = owner.store.drains
    owner.commit("a", "b")
    owner.commit()
    owner.commit("c")
    assert owner.topic.told == ["a", "b", "c"]
    assert owner.relay.drained == 0
    owner.turn()
    assert (owner.waiting, owner.relay.drained, owner.relay.counts["published"]) == (0, 3, 3)
    assert owner.store.drains == reads
    owner.commit()
    assert owner.relay.drained == 4


def test_what_others_committed_in_between_is_published_in_its_place() -> None:
    owner = settled(Store(), Topic())
    owner.commit("a")
    owner.commit("b", offered=False)
    owner.commit("c")
    assert owner.topic.told == ["a"]
    assert owner.relay.behind(owner.head.next)
    owner.turn()
    owner.commit("d")
    owner.turn()
    assert owner.topic.told == ["a", "b", "c", "d"]
    assert (owner.waiting, owner.relay.drained) == (0, 4)


def test_no_more_is_handed_over_ahead_of_its_acknowledgement_than_a_turn_holds() -> None:
    owner = settled(Store(), Topic(), limit=3)
    for key in "abcdefg":
        owner.commit(key)
    assert owner.topic.told == ["a", "b", "c"]
    owner.turn()
    assert owner.topic.told == list("abcdefg")
    assert (owner.waiting, owner.relay.drained) == (0, 7)


def test_who_takes_over_leaves_out_what_the_dead_had_published() -> None:
    store, topic = Store(), Topic()
    dead = settled(store, topic, limit=2)
    dead.commit("a", "b")
    dead.commit("c", "d", offered=False)  # killed before it deletes anything, and before it sends these
    heir = Owner(store, topic, limit=2)
    heir.head = replace(heir.head, next=dead.head.next)
    heir.turn()
    assert topic.told == ["a", "b", "c", "d"]
    assert (heir.waiting, heir.relay.drained) == (0, 2)
    assert (heir.relay.counts["on_topic"], heir.relay.counts["published"]) == (2, 2)
    heir.commit("e")
    assert topic.told[4:] == ["e"]


def test_where_nothing_waits_at_a_claim_nobody_is_asked() -> None:
    owner = settled(Store(), Topic())
    owner.commit("a")
    owner.turn(look=True)
    assert owner.topic.asked == 0


def test_what_may_not_have_arrived_is_sent_again_unless_it_is_seen_to_have() -> None:
    owner = settled(Store(), Topic())
    owner.topic.refused_sends = 1
    owner.commit("a")
    owner.topic.told.clear()  # it has not
    owner.commit("b")  # does not overtake it
    owner.turn()
    assert owner.topic.told == ["a", "b"]
    owner.topic.refused_flushes = 1
    owner.commit("c")  # it has
    owner.turn()
    assert owner.topic.told == ["a", "b", "c"]
    assert (owner.waiting, owner.relay.drained, owner.relay.counts["on_topic"]) == (0, 3, 1)
