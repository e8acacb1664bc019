"""One partition of a Kafka topic as a tape."""

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from confluent_kafka import Consumer, TopicPartition

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.tape.kafka_errors import LogShorterError, OffsetGoneError, reported
from tapewatch.tape.kafka_native import native_reader
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_reader import ObjectReader, PartitionReader, ends_of
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics
from tapewatch.tape.memory import check_offset, messages_within
from tapewatch.tape.port import RawBatch

ReaderMaker = Callable[[KafkaSettings, str, int], PartitionReader]


def best_reader(settings: KafkaSettings, topic: str, partition: int) -> PartitionReader:
    """A reader without an object a message where the client's library can be called, else one with them."""
    return native_reader(settings, topic, partition) or ObjectReader(settings, topic, partition)


class KafkaTape:
    """A `Tape` on one partition of a topic that exists. Times of append are the broker's, to the millisecond.

    Differs from the port in what Kafka cannot do: an `append` that raises may have written a part of its messages, and
    `ts_append_ns` is the log's own. Raises OffsetGoneError for what retention has removed, LogShorterError beyond the
    end, RetryableError where no broker answers.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        partition: int,
        *,
        group: str = "tapewatch",
        make_reader: ReaderMaker = best_reader,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`group` is where offsets are committed. InputError where there is no such topic or partition."""
        self._settings, self._at = settings, TopicPartition(topic, partition)
        self._name = f"{topic}/{partition}"
        found = KafkaTopics(settings).find([topic]).get(topic)
        if found is None or not 0 <= partition < found.partitions:
            raise InputError(f"{self._name}: there is no such topic or partition")
        self._identity = f"{found.topic_id}/{partition}"
        self._clock_s, self._lock = clock_s, threading.Lock()
        with reported(self._name):
            self._offsets = Consumer(settings.common() | {"group.id": group, "enable.auto.commit": False})
        self._reader = make_reader(settings, topic, partition)
        self._publisher: KafkaPublisher | None = None
        self._next = -1  # where the reader stands
        self._held: RawBatch | None = None  # fetched, but beyond what was asked for

    @property
    def identity(self) -> str:
        """Topic id and partition: a topic that was made again under its name is another log."""
        return self._identity

    @property
    def committed(self) -> int:
        return self.committed_with_metadata()[0]

    def committed_with_metadata(self) -> tuple[int, str]:
        """The group's offset and what was committed with it; (0, "") at first."""
        with reported(f"looking up the offset of {self._name}"):
            (found,) = self._offsets.committed([self._at], self._settings.timeout_s)
        return (found.offset, found.metadata or "") if found.offset >= 0 else (0, "")

    def bounds(self) -> tuple[int, int]:
        """The first offset that the log still has, and its end. One round trip."""
        return ends_of(self._offsets, self._at.topic, self._at.partition, self._settings.timeout_s)

    def append(self, messages: Sequence[bytes], ts_append_ns: int) -> int:
        """Append without keys, for tests and copies; what is keyed goes through a `KafkaPublisher`."""
        del ts_append_ns  # the broker stamps
        with self._lock:
            if self._publisher is None:
                self._publisher = KafkaPublisher(self._settings)
        self._publisher.publish(self._at.topic, [None] * len(messages), messages, partition=self._at.partition)
        return self.bounds()[1]

    def read(
        self, start: int, max_messages: int = 100_000, max_bytes: int = 8 << 20, *, wait_s: float = 0.0
    ) -> RawBatch:
        """As the port says; at the end of the log it waits up to `wait_s` for the next message.

        Reading on from where the last batch ended costs no round trip; any other start drops what was fetched ahead.
        """
        with self._lock:
            raw, self._held = self._held, None
            if raw is None or raw.start != start:
                if self._next != start:
                    self._seek(start)
                self._next = -1  # after an error nobody knows where the reader stands: it is told anew
                raw = self._take(start, max_messages, wait_s)
            self._next = raw.end
            return self._cut(raw, max_messages, max_bytes)

    def commit(self, offset: int, metadata: str = "") -> None:
        """As the port says, with a text beside the offset. Only for a group that nobody joins: the members of a group
        commit through their membership, so that one which was thrown out is refused."""
        check_offset(offset, self.bounds()[1])
        at = TopicPartition(self._at.topic, self._at.partition, offset, metadata=metadata)
        with reported(f"committing {self._name}"):
            self._offsets.commit(offsets=[at], asynchronous=False)

    def close(self) -> None:
        with self._lock:
            if self._publisher is not None:
                self._publisher.close()
            self._reader.close()
            self._offsets.close()

    def _seek(self, start: int) -> None:
        first, end = self.bounds()
        if start > end:
            raise LogShorterError(self._name, start, end)
        check_offset(start, end)
        if start < first:
            raise OffsetGoneError(self._name, start, first)
        self._reader.seek(start)

    def _take(self, start: int, max_messages: int, wait_s: float) -> RawBatch:
        raw = self._reader.take(start, max_messages, 0.0)
        if raw.end > start:
            return raw
        there = not wait_s and start < self.bounds()[1]  # appended already, but not fetched yet
        deadline = self._clock_s() + (self._settings.timeout_s if there else wait_s)
        while raw.end == start and (left := deadline - self._clock_s()) > 0:
            raw = self._reader.take(start, max_messages, left)  # comes back early where the log's end is told
        if there and raw.end == start:
            raise RetryableError(f"{self._name}: nothing came from offset {start}, where the log goes on")
        return raw

    def _cut(self, raw: RawBatch, max_messages: int, max_bytes: int) -> RawBatch:
        if not len(raw):
            return raw
        count = min(messages_within(raw.starts, max_bytes), max_messages)
        if count == len(raw):
            return raw
        self._held = _slice(raw, count, len(raw), int(raw.offsets[count - 1]) + 1, raw.end)
        return _slice(raw, 0, count, raw.start, self._held.start)


def _slice(raw: RawBatch, low: int, high: int, start: int, end: int) -> RawBatch:
    edge = int(raw.starts[low])
    return RawBatch(
        data=raw.data[edge : int(raw.starts[high])],
        starts=np.ascontiguousarray(raw.starts[low : high + 1] - edge),
        offsets=raw.offsets[low:high],
        ts_append_ns=raw.ts_append_ns[low:high],
        start=start,
        end=end,
    )
