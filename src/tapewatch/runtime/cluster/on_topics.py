"""What of an outbox has arrived on its topics: for a relay that takes over from one that died."""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.model.times import parse_rfc3339
from tapewatch.runtime.cluster.kafka_ports import TOPICS
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.stores.port import OutboxEntry, OutboxKind
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_events import event_id
from tapewatch.tape.kafka_reader import ends_of
from tapewatch.tape.kafka_settings import KafkaSettings

_log = logging.getLogger(__name__)
MOST = 50_000
_NOT_BY_ID: frozenset[OutboxKind] = frozenset({"market"})
"""Two of them may have one id, the first of a new source and what came before it: they are published again instead."""
SKEW_MS = 10_000
"""How far the clock of who stamped the entries may be ahead of the brokers'."""


class _Stamped(msgspec.Struct):
    timestamp_detection: str | None = None


_stamped = msgspec.json.Decoder(_Stamped)


class OnTopics:
    """`Published` on Kafka: reads the ends of the topics from the time at which the oldest entry was found, and looks
    for the entries' event ids.

    Costs a consumer, some round trips and about 5 us a message: at most `most` messages a call, the newest of each
    partition. `counts`: asked (calls), read (messages), cut (partitions of which more than that was to be read),
    refused (calls that the credentials do not allow: nothing is known then). Raises RetryableError.
    """

    def __init__(self, settings: KafkaSettings, most: int = MOST) -> None:
        self._settings, self._most = settings, most
        self.counts: Counter[str] = Counter()

    def among(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> Collection[int]:
        wanted = {(TOPICS[e.kind], _id(e)): e.seq for e in entries if e.kind not in _NOT_BY_ID}
        self.counts["asked"] += 1
        consumer = Consumer(self._settings.reader() | {"group.id": "tapewatch-reader"})
        try:
            with reported("reading what was published"):
                topics, there = sorted({topic for topic, _ in wanted}), set[int]()
                for found in self._read(consumer, topics, _since_ms(entries)) if wanted else ():
                    if found in wanted:
                        there.add(wanted[found])
                        if len(there) == len(wanted):
                            break
                return there
        except InputError as error:
            self.counts["refused"] += 1
            _log.warning("shard %s: what was published before is published again: %s", shard.name, error)
            return ()
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, topics: Sequence[str], since_ms: int | None) -> Iterator[tuple[str, str]]:
        """Topic and event id of every message from then on, up to the ends of now: others may write without a pause."""
        starts = self._starts(consumer, topics, since_ms)
        left = {(at.topic, at.partition): end for at, end in starts}
        consumer.assign([at for at, _ in starts])
        while left:
            message = consumer.poll(self._settings.timeout_s)
            if message is None:
                raise RetryableError(f"nothing came from {sorted(left)}, which go on")
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise as_ours(error, "reading what was published")
            place, offset = (message.topic() or "", message.partition() or 0), message.offset() or 0
            end = left.get(place, 0)
            if error is None and offset < end:
                self.counts["read"] += 1
                yield place[0], _id_of(message)
            if error is not None or offset + 1 >= end:
                left.pop(place, None)

    def _starts(
        self, consumer: Consumer, topics: Sequence[str], since_ms: int | None
    ) -> list[tuple[TopicPartition, int]]:
        """Where to begin in each partition that has anything since then, and where it ends now."""
        timeout_s, parts = self._settings.timeout_s, []
        for topic in topics:
            parts += [(topic, p) for p in consumer.list_topics(topic, timeout_s).topics[topic].partitions]
        if since_ms is not None:
            asked = [TopicPartition(topic, p, since_ms) for topic, p in parts]
            later = [at for at in consumer.offsets_for_times(asked, timeout_s) if at.offset >= 0]
        else:
            later = [TopicPartition(topic, p, 0) for topic, p in parts]
        found = []
        for at in later:
            first, end = ends_of(consumer, at.topic, at.partition, timeout_s)
            newest = end - self._most // len(later)
            self.counts["cut"] += at.offset < newest
            at.offset = max(at.offset, first, newest)
            if at.offset < end:
                found.append((at, end))
        return found


def _id(entry: OutboxEntry) -> str:
    return entry.key if entry.kind == "dead" else event_id(entry.kind, entry.payload)


def _id_of(message: Message) -> str:
    given: Any = message.headers() or []  # typed as if it could be a dictionary, which only a producer is given
    return next((value.decode() for name, value in given if name == "ce_id"), "")


def _since_ms(entries: Sequence[OutboxEntry]) -> int | None:
    """Before this, none of the entries was published; None where no entry tells when it was found."""
    found = [_stamped.decode(e.payload).timestamp_detection for e in entries if e.kind in ("alert", "signal")]
    stamps = [parse_rfc3339(stamp) for stamp in found if stamp is not None]
    return min(stamps) // 1_000_000 - SKEW_MS if stamps else None
