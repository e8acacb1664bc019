"""Copies a topic to another one with another number of partitions: what a change of that number needs."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_publisher import Headers, KafkaPublisher
from tapewatch.tape.kafka_reader import ends_of
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec
from tapewatch.tape.messages import Record
from tapewatch.tape.times import epoch_number, parse_time

_CHUNK = 5_000


class TopicCopy:
    """Writes what `source` holds now to a `target` that is empty or does not exist, keys, values and headers as they
    are.

    Messages go in the order in which they were appended, and those of one partition in their own order, whatever the
    clocks said: a symbol keeps its order. A heartbeat is held until every partition has come to it, and then goes to
    all partitions of the target: it stands again where it stood among a symbol's ticks. What is appended to the source
    meanwhile is left there: stop the feed first. Memory is bounded; about 10 us a message.

    Raises InputError for a source that is not there or a target that holds something, RetryableError where a broker
    does not answer; then the target holds a part, and is to be deleted before another try.
    """

    def __init__(self, settings: KafkaSettings, source: str, target: TopicSpec, replication: int = -1) -> None:
        self._settings, self._source, self._target = settings, source, target
        topics = KafkaTopics(settings)
        found = topics.find([source]).get(source)
        if found is None or source == target.name:
            raise InputError(f"topic {source}: " + ("there is no such topic" if found is None else "is its own copy"))
        topics.ensure([target], replication)
        if filled := [p for p, (first, end) in self._bounds(target.name, target.partitions).items() if first < end]:
            raise InputError(f"topic {target.name} is not empty (partition {filled[0]}): name one that is")
        self._spans = self._bounds(source, found.partitions)
        self.total = sum(end - first for first, end in self._spans.values())

    def run(self) -> Iterator[int]:
        """Copy; yields how many messages of the source were read since the last time."""
        publisher = KafkaPublisher(self._settings, linger_ms=20.0)
        left = {p: _Partition(self._read(p, *span), p) for p, span in self._spans.items()}
        while left:
            for chunk in _chunks(heapq.merge(*(part.until_heartbeat() for part in left.values()), key=_when)):
                publisher.send(
                    self._target.name,
                    [m.key() for m in chunk],
                    [m.value() or b"" for m in chunk],
                    [_headers(m) for m in chunk],
                )
                yield len(chunk)
            yield self._beat(publisher, left)
            left = {p: part for p, part in left.items() if not part.ended}
        publisher.flush()

    def _beat(self, publisher: KafkaPublisher, left: "dict[int, _Partition]") -> int:
        """Every partition that is not at its end stands at a heartbeat: the earliest goes to all, once."""
        waiting = [part for part in left.values() if part.heartbeat is not None]
        if not waiting:
            return 0
        first = min(waiting, key=lambda part: part.heartbeat_ns)
        value = first.heartbeat.value() if first.heartbeat is not None else None
        for partition in range(self._target.partitions):
            publisher.send(self._target.name, [None], [value or b""], partition=partition)
        passed = [part for part in waiting if part.heartbeat_ns == first.heartbeat_ns]
        for part in passed:
            part.heartbeat = None
        return len(passed)

    def _read(self, partition: int, first: int, end: int) -> Iterator[Message]:
        what = f"reading {self._source}/{partition}"
        with reported(what):
            consumer = Consumer(
                self._settings.reader() | {"group.id": "tapewatch-copy", "queued.max.messages.kbytes": 16 << 10}
            )
            consumer.assign([TopicPartition(self._source, partition, first)])
        try:
            at = first
            while at < end:
                with reported(what):
                    found = consumer.consume(_CHUNK, self._settings.timeout_s)
                if not found:
                    raise RetryableError(f"{what}: nothing came from offset {at}, where the log goes on")
                for message in found:
                    if (error := message.error()) is not None:
                        if error.code() != error._PARTITION_EOF:
                            raise as_ours(error, what)
                        at = max(at, message.offset() or 0)
                    elif (at := (message.offset() or 0) + 1) <= end:
                        yield message
        finally:
            consumer.close()

    def _bounds(self, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
        with reported(f"looking up the ends of {topic}"):
            consumer = Consumer(self._settings.common() | {"group.id": "tapewatch-copy"})
        try:
            return {p: ends_of(consumer, topic, p, self._settings.timeout_s) for p in range(partitions)}
        finally:
            consumer.close()


class _Partition:
    """What is left of one partition, taken from heartbeat to heartbeat."""

    def __init__(self, messages: Iterator[Message], number: int) -> None:
        self._messages, self._number = messages, number
        self.heartbeat: Message | None = None  # where it stands
        self.heartbeat_ns = 0
        self.ended = False

    def until_heartbeat(self) -> Iterator[tuple[int, int, Message]]:
        """Append time in ms, partition, message: for each message up to the next heartbeat, or to the end."""
        if self.heartbeat is not None:
            return
        for message in self._messages:
            time_ns = _heartbeat_ns(message)
            if time_ns is not None:
                self.heartbeat, self.heartbeat_ns = message, time_ns
                return
            yield message.timestamp()[1], self._number, message
        self.ended = True


def _heartbeat_ns(message: Message) -> int | None:
    if message.key() is not None:  # heartbeats have none
        return None
    try:
        beat = msgspec.json.decode(message.value() or b"", type=Record).heartbeat
    except msgspec.MsgspecError:
        return None
    if beat is None:
        return None
    found = parse_time(beat) if isinstance(beat, str) else epoch_number(float(beat))
    return None if found is None else found[0]


def _headers(message: Message) -> Headers:
    found = message.headers() or []
    return list(found.items()) if isinstance(found, dict) else found


def _when(item: tuple[int, int, Message]) -> tuple[int, int]:
    return item[:2]


def _chunks(items: Iterable[tuple[int, int, Message]]) -> Iterator[list[Message]]:
    rest = iter(items)
    while chunk := [message for _, _, message in islice(rest, _CHUNK)]:
        yield chunk
