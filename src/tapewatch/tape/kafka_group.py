"""A member of a consumer group: batches of whole messages, each committed by the caller once it has taken effect."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from tapewatch.model.errors import RetryableError, TapewatchError
from tapewatch.tape.kafka_entrance import refusal
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_publisher import Headers
from tapewatch.tape.kafka_settings import KafkaSettings

_LOOK_S = 1.0
Place = tuple[str, int]  # topic, partition


class Taken(msgspec.Struct, frozen=True):
    """One message: where it stood, and its bytes."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    message: Message  # for its headers

    @property
    def headers(self) -> Headers:
        """Its headers, empty where there are none."""
        return cast(Headers, self.message.headers() or ())  # typed as if it could be a dictionary


@dataclass(slots=True)
class GroupCounts:
    """`commit_failures`: offsets that could not be committed; what they stood for is read again, by whoever owns it."""

    read: int = 0
    commits: int = 0
    commit_failures: int = 0
    rebalances: int = 0


class KafkaGroup:
    """Reads the partitions that the group gives it. For one thread.

    `generation` rises with each assignment: a batch of an earlier one must be thrown away, for its partitions are read
    again from what was committed, by this member or another. While a batch waits for its sink, call `wait` instead of
    `take`: nothing more is read (the back-pressure), and the group hears that this member lives.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[str], group: str) -> None:
        """New groups begin at the oldest message there is. Raises InputError for settings that Kafka refuses."""
        self._what = f"reading {', '.join(topics)}"
        self._assigned: list[TopicPartition] = []
        self._timeout_s = settings.timeout_s
        self._paused = False
        self._lag: dict[Place, int] = {}
        self._look_at = 0.0
        self._trouble: TapewatchError | None = None  # the newest that was not raised yet
        self.generation = 0
        self.counts = GroupCounts()
        conf = settings.reader() | {
            "group.id": group,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "range",  # eager: an assignment begins at what was committed
            "session.timeout.ms": 10_000,
            "max.poll.interval.ms": 600_000,
            "queued.min.messages": 10_000,  # what is fetched ahead is memory, and read again after a rebalance
            "queued.max.messages.kbytes": 4 << 10,  # of all partitions; a fetch of each may come on top
            "max.partition.fetch.bytes": 256 << 10,  # as it travels: alerts unpack to many times that
            "topic.metadata.refresh.interval.ms": 10_000,  # a topic that is made later is found so soon
            "error_cb": self._hear,
        }
        with reported(self._what):
            self._consumer = Consumer(conf)
            self._consumer.subscribe(list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke)

    @property
    def assigned(self) -> list[Place]:
        return [(at.topic, at.partition) for at in self._assigned]

    def take(self, limit: int, wait_s: float) -> list[Taken]:
        """At most `limit` messages, in the order of their partitions; none after `wait_s`.

        Trouble is raised when there is no message: those that came before it would be passed over by the next commit.
        RetryableError: connections fail, a topic is not there yet.
        """
        with reported(self._what):
            first = self._consumer.poll(wait_s)  # consume() itself would wait for its limit
            found = [] if first is None else [first, *self._consumer.consume(limit - 1, 0.0)]
        taken = []
        for message in found:
            error = message.error()
            if error is None:
                taken.append(_taken(message))
            elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
                self._trouble = RetryableError(f"{self._what}: a topic is not there yet: {error.str()}")
            elif error.code() != KafkaError._PARTITION_EOF:
                self._trouble = as_ours(error, self._what)
        if self._trouble is not None and not taken:
            trouble, self._trouble = self._trouble, None
            raise trouble
        self.counts.read += len(taken)
        self._look_at_lag()
        return taken

    def wait(self, wait_s: float) -> None:
        """Let time pass without reading."""
        with reported(self._what):
            if not self._paused:
                self._paused = True
                self._consumer.pause(self._assigned)
            message = self._consumer.poll(wait_s)
        if message is not None and message.error() is None:
            raise AssertionError("unreachable: a paused partition gave a message")

    def go_on(self) -> None:
        """Read again after `wait`; nothing where nothing waited: a resumption throws away what was fetched ahead."""
        if not self._paused:
            return
        with reported(self._what):
            self._paused = False
            self._consumer.resume(self._assigned)

    def commit(self, messages: Sequence[Taken]) -> bool:
        """Commit the places behind these messages; False where it failed, which is counted: others read them again."""
        ends: dict[Place, int] = {}
        for message in messages:
            ends[message.topic, message.partition] = message.offset + 1
        return self.commit_at(ends)

    def commit_at(self, ends: dict[Place, int]) -> bool:
        """Commit these offsets to be read next."""
        if not ends:
            return True
        try:
            at = [TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()]
            self._consumer.commit(offsets=at, asynchronous=False)
        except KafkaException:
            self.counts.commit_failures += 1
            return False
        self.counts.commits += 1
        return True

    def committed(self, place: Place) -> int:
        """The offset that the group has committed; the first one of the log where there is none."""
        at = TopicPartition(*place)
        with reported(self._what):
            (found,) = self._consumer.committed([at], self._timeout_s)
            if found.offset >= 0:
                return int(found.offset)
            return int(self._consumer.get_watermark_offsets(at, self._timeout_s)[0])

    def lag(self) -> dict[Place, int]:
        """Messages that were not read, by partition, as of at most a second before the last `take` or `wait`.

        From any thread: the client itself, asked by another thread than its own, may wait for that one for ever.
        """
        return self._lag

    def _look_at_lag(self) -> None:
        if not self._assigned or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_S
        found = {}
        for at in self._consumer.position(self._assigned):
            _, high = self._consumer.get_watermark_offsets(at, cached=True)
            if high >= 0:
                found[at.topic, at.partition] = max(0, high - max(at.offset, 0))
        self._lag = found

    def seek(self, ends: dict[Place, int]) -> None:
        """Read these partitions, which must be assigned, from these offsets next."""
        with reported(self._what):
            for (topic, partition), offset in ends.items():
                self._consumer.seek(TopicPartition(topic, partition, offset))

    def close(self) -> None:
        """Leave the group, so that others need not wait for this member to be missed."""
        self._consumer.close()

    def _hear(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # which says less than what it follows from
            self._trouble = RetryableError(str(refusal(error, self._what)))

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.generation += 1
        self.counts.rebalances += 1
        self._assigned = list(partitions)
        consumer.assign(partitions)
        if self._paused:
            consumer.pause(partitions)

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.generation += 1
        self._assigned, self._lag = [], {}
        consumer.unassign()


def _taken(message: Message) -> Taken:
    return Taken(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        _bytes(message.key()),
        _bytes(message.value()) or b"",
        message,
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
