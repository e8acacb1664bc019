"""Notices on the cluster: the ledger, and what the notifier remembers of incidents, with its place on the topic.

All of it is on the Redis of the state, so that people are told while Elasticsearch is down. The place on the topic
stands beside what was made of it: a server that comes back older than it was has the messages read again from where it
stands, and a notice may go out twice, with the same message id; none is lost.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tapewatch.alerts.inhibition import EVERY_SYMBOL, MUTING_TYPES
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.ledger import LedgerRow
from tapewatch.stores.port import NoticeRecord
from tapewatch.stores.redis.client import Client, answering
from tapewatch.stores.redis.lane import Lane
from tapewatch.stores.redis.scripts import Script

_encode = msgspec.json.Encoder().encode
_row = msgspec.json.Decoder(LedgerRow)
_PAGE = 1_000
_ENDED = frozenset({"resolved", "retracted"})
_QUALITY_S = 14 * 86_400  # after the last change of any of a symbol's data-quality alerts
Place = tuple[str, int]  # topic, partition


class RedisNoticeLedger:
    """A `NoticeLedger` on Redis; rows that are settled stay until `prune`, without the text of what was sent or muted:
    that would be nine tenths of the memory, and nobody sends it again."""

    def __init__(self, client: Client, prefix: str = "tapewatch") -> None:
        self._client: Any = client  # its types leave open whether it is asynchronous
        names = ("rows", "channels", "due", "settled", "dead", "by_subject")
        self._rows, self._channels, self._due, self._settled, self._dead, self._by = (
            f"{prefix}:{{notices}}:{n}" for n in names
        )
        self._owe = Script("notices_owe")
        self._lane = Lane(client)

    def owe(self, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """As the port says; one round trip, all rows or none."""
        if not rows:
            return []
        dues = dict.fromkeys(self._due_of(row.channel) for row in rows)
        keys = [self._rows, self._channels, self._settled, self._by, *dues]
        args: list[str | bytes | int] = []
        for row in rows:
            due = self._due_of(row.channel) if row.state == "pending" else self._settled
            args += [_key(row), _kept(row), str(float(row.next_try_ns)), row.channel, keys.index(due) + 1]
        new = self._owe(self._lane, keys, args)
        return [row for row, added in zip(rows, new, strict=True) if added]

    def due(self, now_ns: int, limit: int, without: Collection[str] = ()) -> list[LedgerRow]:
        """As the port says; three round trips, and of each channel at most `limit` keys."""
        with answering():
            pipe = self._client.pipeline(transaction=False)
            for channel in self._known():
                if channel not in without:
                    pipe.zrangebyscore(
                        self._due_of(channel), "-inf", float(now_ns), start=0, num=max(limit, 0), withscores=True
                    )
            oldest = sorted((score, key) for page in pipe.execute() for key, score in page)[: max(limit, 0)]
            found = self._client.hmget(self._rows, [key for _, key in oldest]) if oldest else []
        rows = [_row.decode(data) for data in found if data is not None]
        return [row for row in rows if row.state == "pending" and row.next_try_ns <= now_ns]

    def _due_of(self, channel: str) -> str:
        return f"{self._due}:{channel}"

    def _known(self) -> list[str]:
        return sorted(name.decode() for name in self._client.smembers(self._channels))

    def settle(self, row: LedgerRow) -> None:
        """As the port says."""
        key = _key(row)
        with answering():
            pipe = self._client.pipeline(transaction=True)
            pipe.hset(self._rows, key, _kept(row))
            pipe.zadd(self._by, {key: 0.0})
            pipe.sadd(self._channels, row.channel)
            due = self._due_of(row.channel)
            within = {"pending": (due,), "dead": (self._settled, self._dead)}.get(row.state, (self._settled,))
            for index in (due, self._settled, self._dead):
                if index in within:
                    pipe.zadd(index, {key: float(row.next_try_ns)})
                else:
                    pipe.zrem(index, key)
            pipe.execute()

    def given_up(self, limit: int) -> list[LedgerRow]:
        """As the port `GivenUpNotices` says."""
        if limit <= 0:
            return []
        with answering():
            keys = self._client.zrange(self._dead, -limit, -1)
            found = self._client.hmget(self._rows, keys) if keys else []
        return [_row.decode(data) for data in found if data is not None]

    def notices(self, subject: str, limit: int) -> list[NoticeRecord]:
        """As the port `NoticeReader` says, by revision; two round trips."""
        begin = b"[" + _encode(subject)  # of the keys, which are JSON: what follows is a comma, and after that a minus
        with answering():
            keys = self._client.zrangebylex(self._by, b"[" + begin + b",", b"(" + begin + b"-")
            found = self._client.hmget(self._rows, keys) if keys and limit > 0 else []
        rows = sorted((_row.decode(data) for data in found if data is not None), key=lambda r: r.revision)
        return [_record(row) for row in rows[-max(limit, 1) :]]

    def pending(self) -> int:
        """How many notices are owed."""
        with answering():
            pipe = self._client.pipeline(transaction=False)
            for channel in self._known():
                pipe.zcard(self._due_of(channel))
            return sum(pipe.execute())

    def prune(self, before_ns: int) -> int:
        """Forget rows that were settled and whose last try was before then; return how many."""
        count = 0
        while True:
            with answering():
                keys = self._client.zrangebyscore(self._settled, "-inf", float(before_ns), start=0, num=_PAGE)
                if not keys:
                    return count
                pipe = self._client.pipeline(transaction=True)
                pipe.hdel(self._rows, *keys)
                pipe.zrem(self._settled, *keys)
                pipe.zrem(self._dead, *keys)
                pipe.zrem(self._by, *keys)
                pipe.execute()
            count += len(keys)


class Remembered(msgspec.Struct):
    """An incident as the notifier knows it: the newest revision of each alert, and what people were told last."""

    alerts: dict[str, Alert] = {}
    told: Incident | None = None


class RedisNoticeMemory:
    """Incidents, data-quality alerts that mute, and the offsets up to which messages were made notices of."""

    def __init__(self, client: Client, prefix: str = "tapewatch") -> None:
        self._client: Any = client  # its types leave open whether it is asynchronous
        names = ("incidents", "touched", "onsets", "quality", "ended", "offsets")
        self._incidents, self._touched, self._onsets, self._quality, self._ended, self._offsets = (
            f"{prefix}:{{notices}}:{n}" for n in names
        )

    def incidents(self, ids: Sequence[str]) -> dict[str, Remembered]:
        """Those of the ids that are remembered."""
        with answering():
            found = self._client.hmget(self._incidents, list(ids)) if ids else []
        return {
            name: msgspec.json.decode(data, type=Remembered)
            for name, data in zip(ids, found, strict=True)
            if data is not None
        }

    def between(self, from_ns: int, to_ns: int) -> list[Remembered]:
        """Incidents that began in [from_ns, to_ns], some microseconds more or less."""
        with answering():
            ids = self._client.zrangebyscore(self._onsets, float(from_ns), float(to_ns))
        return list(self.incidents([name.decode() for name in ids]).values())

    def offsets(self, places: Sequence[Place]) -> dict[Place, int]:
        """Where to read on; nothing for a place that was never read, or whose server has lost everything."""
        with answering():
            found = self._client.hmget(self._offsets, [_place(p) for p in places]) if places else []
        return {place: int(at) for place, at in zip(places, found, strict=True) if at is not None}

    def quality(self, incident: Incident, at_ns: int) -> list[Alert]:  # noqa: ARG002 - the few there are, of any time
        """What may mute the incident: of its symbol and of its whole venue, ended ones of the last days too."""
        with answering():
            found = [
                data
                for symbol in (incident.symbol, EVERY_SYMBOL)
                for data in self._client.hvals(self._quality_key(incident.venue, symbol))
            ]
        return [msgspec.json.decode(data, type=Alert) for data in found]

    def save(
        self,
        incidents: Mapping[str, Remembered],
        quality: Sequence[Alert],
        offsets: Mapping[Place, int],
        now_ns: int,
    ) -> None:
        """All of it or nothing. `quality` are the data-quality alerts that changed; those that mute nothing are let
        go."""
        with answering():
            pipe = self._client.pipeline(transaction=True)
            for name, incident in incidents.items():
                pipe.hset(self._incidents, name, _encode(incident))
                if all(alert.state in _ENDED for alert in incident.alerts.values()):
                    pipe.zadd(self._touched, {name: float(now_ns)})
                else:  # it stays, however long nothing changes
                    pipe.zrem(self._touched, name)
                pipe.zadd(self._onsets, {name: float(min(a.onset_ns for a in incident.alerts.values()))})
            for alert in quality:
                if alert.alert_type not in MUTING_TYPES:
                    continue
                key = self._quality_key(alert.venue, alert.symbol)
                pipe.hset(key, alert.alert_id, _encode(alert))
                pipe.expire(key, _QUALITY_S)
                if alert.state in _ENDED:
                    pipe.zadd(self._ended, {_encode((key, alert.alert_id)): float(now_ns)})
            for place, offset in offsets.items():
                pipe.hset(self._offsets, _place(place), offset)
            pipe.execute()

    def _quality_key(self, venue: str, symbol: str) -> str:
        return f"{self._quality}:{venue}:{symbol}"

    def prune(self, before_ns: int) -> int:
        """Forget incidents and alerts that had ended by then; return how many, at most two thousand a call."""
        with answering():
            keys = self._client.zrangebyscore(self._touched, "-inf", float(before_ns), start=0, num=_PAGE)
            ended = self._client.zrangebyscore(self._ended, "-inf", float(before_ns), start=0, num=_PAGE)
            pipe = self._client.pipeline(transaction=True)
            if keys:
                pipe.hdel(self._incidents, *keys)
                pipe.zrem(self._touched, *keys)
                pipe.zrem(self._onsets, *keys)
            for name in ended:
                pipe.hdel(*msgspec.json.decode(name, type=tuple[str, str]))
            if ended:
                pipe.zrem(self._ended, *ended)
            pipe.execute()
        return len(keys) + len(ended)


def _record(row: LedgerRow) -> NoticeRecord:
    return NoticeRecord(
        alert_id=row.alert_id,
        revision=row.revision,
        channel=row.channel,
        recipient=row.recipient,
        state=row.state,
        attempts=row.attempts,
        reason=row.last_error,
        at_ns=row.next_try_ns,
    )


def _kept(row: LedgerRow) -> bytes:
    return _encode(row if row.state in ("pending", "dead") else replace(row, notice=b""))


def _key(row: LedgerRow) -> bytes:
    return _encode((row.alert_id, row.revision, row.channel, row.recipient))


def _place(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
