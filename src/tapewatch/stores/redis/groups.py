"""Moves of whole markets on the Redis of the state: for who tells people, also while Elasticsearch is down."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from tapewatch.model.market import Group, MarketFindings, MarketMinute
from tapewatch.stores.memory import MemoryGroupStore
from tapewatch.stores.port import GroupQuery
from tapewatch.stores.redis.client import Client, answering
from tapewatch.stores.redis.lane import Lane
from tapewatch.stores.redis.scripts import Script

_encode = msgspec.json.Encoder().encode
_group, _minute = msgspec.json.Decoder(Group), msgspec.json.Decoder(MarketMinute)
MINUTES = 500
"""How many of a market are kept: those that were written last."""

_SLACK_NS = 1_000  # scores are float64, and times beside 2**60


class GroupNews(NamedTuple):
    """A group whose beginning or end is to be told. `since_ns`: when it became known here."""

    name: str
    group: Group
    ended: bool
    since_ns: int


class RedisGroupStore:
    """A `GroupStore` on Redis, which keeps the newest 500 minutes of a market; and what is news of groups, until it is
    settled. A query reads all groups of its time."""

    def __init__(self, client: Client, prefix: str = "tapewatch", now: Callable[[], int] = time.time_ns) -> None:
        self._client: Any = client  # its types leave open whether it is asynchronous
        self._now = now
        names = ("groups", "group-revisions", "groups-opened", "group-news", "markets", "minutes")
        self._rows, self._revisions, self._opened, self._news, self._markets, self._minutes = (
            f"{prefix}:{{notices}}:{name}" for name in names
        )
        self._put = Script("groups_put")
        self._lane = Lane(client)

    def put(self, found: MarketFindings) -> list[Group]:
        """As the port says; a crash may leave the groups to the repeat. Keeps how far markets are as well."""
        now_ns = self._now()
        with answering():
            pipe = self._client.pipeline(transaction=True)
            for minute in found.minutes:
                pipe.hsetnx(self._data(minute.market), str(minute.end_ns), _encode(minute))
                pipe.zadd(self._written(minute.market), {str(minute.end_ns): float(now_ns)}, nx=True)
            if found.through_ns:
                pipe.hset(self._markets, "now", _encode((found.through_ns, found.active)))
            pipe.execute()
        for market in {minute.market for minute in found.minutes}:
            self._trim(market)
        args: list[str | bytes | int] = [str(float(now_ns))]
        for group in found.groups:
            closed = "1" if group.state == "closed" else ""
            args += [group.group_id, group.revision, _encode(group), str(float(group.opened_ns)), closed]
        if not found.groups:
            return []
        written = self._put(self._lane, [self._rows, self._revisions, self._opened, self._news], args)
        return [group for group, new in zip(found.groups, written, strict=True) if new]

    def groups(self, query: GroupQuery) -> list[Group]:
        """As the port says."""
        low = "-inf" if query.from_ns is None else float(query.from_ns - _SLACK_NS)
        high = "+inf" if query.to_ns is None else float(query.to_ns + _SLACK_NS)
        with answering():
            ids = self._client.zrangebyscore(self._opened, low, high)
            found = self._client.hmget(self._rows, ids) if ids else []
        of_the_time = MemoryGroupStore()
        of_the_time.put(MarketFindings([_group.decode(data) for data in found if data is not None]))
        return of_the_time.groups(query)

    def minutes(self, market: str, from_ns: int, to_ns: int) -> list[MarketMinute]:
        """As the port says, of those that are kept."""
        with answering():
            ends = sorted(int(end) for end in self._client.zrange(self._written(market), 0, -1))
            wanted = [str(end) for end in ends if from_ns <= end < to_ns]
            found = self._client.hmget(self._data(market), wanted) if wanted else []
        return [_minute.decode(data) for data in found if data is not None]

    def markets(self) -> tuple[int, dict[str, int]]:
        """Up to when minutes are over, 0 where nobody ever said, and how many symbols of each market are active."""
        with answering():
            found = self._client.hget(self._markets, "now")
        return (0, {}) if found is None else msgspec.json.decode(found, type=tuple[int, dict[str, int]])

    def news(self, limit: int) -> list[GroupNews]:
        """Beginnings and ends that are not settled, the oldest first."""
        with answering():
            owed = [
                (name.decode(), int(at)) for name, at in self._client.zrange(self._news, 0, limit - 1, withscores=True)
            ]
            rows = self._client.hmget(self._rows, [name.rpartition(":")[0] for name, _ in owed]) if owed else []
        return [
            GroupNews(name, _group.decode(row), name.endswith(":2"), at)
            for (name, at), row in zip(owed, rows, strict=True)
            if row is not None
        ]

    def settle(self, news: GroupNews) -> None:
        """It has been told, or never will be."""
        with answering():
            self._client.zrem(self._news, news.name)

    def prune(self, before_ns: int) -> int:
        """Forget groups that opened before then; return how many."""
        with answering():
            ids = self._client.zrangebyscore(self._opened, "-inf", float(before_ns))
            if ids:
                pipe = self._client.pipeline(transaction=True)
                pipe.hdel(self._rows, *ids)
                pipe.hdel(self._revisions, *ids)
                pipe.zrem(self._opened, *ids)
                pipe.zrem(self._news, *(id_ + end for id_ in ids for end in (b":1", b":2")))
                pipe.execute()
        return len(ids)

    def _trim(self, market: str) -> None:
        with answering():
            old = self._client.zrange(self._written(market), 0, -MINUTES - 1)
            if old:
                pipe = self._client.pipeline(transaction=True)
                pipe.hdel(self._data(market), *old)
                pipe.zrem(self._written(market), *old)
                pipe.execute()

    def _data(self, market: str) -> str:
        return f"{self._minutes}:{market}"

    def _written(self, market: str) -> str:
        return f"{self._minutes}-written:{market}"
