"""Reads one partition from a position: the client's messages joined to one buffer as soon as they are there."""

from typing import Protocol

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from numpy.typing import NDArray

from tapewatch.model.errors import RetryableError
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.port import RawBatch

MS_NS = 1_000_000


def ends_of(consumer: Consumer, topic: str, partition: int, timeout_s: float) -> tuple[int, int]:
    """The first offset that the log of a partition still has, and its end. One round trip; RetryableError where no
    broker answers."""
    what = f"looking up the ends of {topic}/{partition}"
    with reported(what):
        found = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout_s)
    if found is None:
        raise RetryableError(f"{what}: timed out")
    return found


class PartitionReader(Protocol):
    """What a tape needs to read one partition. Not for several threads at once."""

    def seek(self, offset: int) -> None:
        """Read from here next; what was fetched ahead is dropped."""
        ...

    def take(self, start: int, max_messages: int, wait_s: float) -> RawBatch:
        """What has been fetched from the position on, which the caller knows to be `start`; at most so many messages.

        Waits up to `wait_s` for the first. `end` lies beyond the last message where the log ends in control records.
        Raises RetryableError where the broker is away.
        """
        ...

    def close(self) -> None: ...


class ObjectReader:
    """A `PartitionReader` on the client's own interface: an object a message, about 2 us each."""

    def __init__(self, settings: KafkaSettings, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        self._what = f"reading {topic}/{partition}"
        with reported(self._what):
            # Its group is never joined and nothing is committed in it: positions come from the caller.
            self._consumer = Consumer(settings.reader() | {"group.id": "tapewatch-reader"})

    def seek(self, offset: int) -> None:
        with reported(self._what):
            self._consumer.assign([TopicPartition(self._topic, self._partition, offset)])

    def take(self, start: int, max_messages: int, wait_s: float) -> RawBatch:
        with reported(self._what):
            first = self._consumer.poll(wait_s)
            found = [] if first is None else [first, *self._consumer.consume(max_messages - 1, 0.0)]
        end = start
        if any(map(Message.error, found)):
            ends = [m for m in found if m.error() is not None]
            for message in ends:
                end = max(end, self._end_of_log(message))
            found = [m for m in found if m.error() is None]
        return _joined(found, start, end)

    def close(self) -> None:
        self._consumer.close()

    def _end_of_log(self, message: Message) -> int:
        error = message.error()
        if error is None or error.code() != KafkaError._PARTITION_EOF:
            raise as_ours(error or KafkaError(KafkaError._FAIL), self._what)
        return message.offset() or 0


def _joined(messages: list[Message], start: int, end: int) -> RawBatch:
    # map over unbound methods: no bound method is made for a message.
    values = [value or b"" for value in map(Message.value, messages)]
    offsets: NDArray[np.int64] = np.fromiter(map(Message.offset, messages), np.int64, len(messages))
    stamps = np.fromiter((stamp[1] for stamp in map(Message.timestamp, messages)), np.int64, len(messages))
    starts = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, values), np.int64, len(values)), out=starts[1:])
    last = int(offsets[-1]) + 1 if messages else start
    return RawBatch(
        data=b"".join(values),
        starts=starts,
        offsets=offsets,
        ts_append_ns=np.maximum(stamps, 0) * MS_NS,
        start=start,
        end=max(last, end),
    )
