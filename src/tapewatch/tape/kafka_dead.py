"""Dead letters as messages: the original bytes, and in the headers where they stood and why they were not read."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_names import DEAD_LETTERS
from tapewatch.tape.kafka_publisher import Headers, KafkaPublisher
from tapewatch.tape.kafka_reader import ends_of
from tapewatch.tape.kafka_settings import KafkaSettings

_PREFIX = "tapewatch_"
_REASON_CHARS = 1000
_MOST_BYTES = 4 << 20  # of an original: the topic takes twice as much, and who reads it holds some


class DeadMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that could not be read, as it stood: enough to look at it, and to write it again as it was."""

    topic: str
    partition: int
    offset: int
    reason: str
    original: bytes
    key: bytes | None = None
    number: int = -1  # its own offset in the topic of dead letters; -1 while it is not written
    cut: int = 0  # how many bytes of the original were left out, because they were too many for a topic


def write_dead(
    publisher: KafkaPublisher, letters: Sequence[DeadMessage], source: str, topic: str = DEAD_LETTERS
) -> None:
    """Write and wait for the acknowledgement."""
    send_dead(publisher, letters, source, topic)
    publisher.flush()


def send_dead(
    publisher: KafkaPublisher, letters: Sequence[DeadMessage], source: str, topic: str = DEAD_LETTERS
) -> None:
    """Hand over to the publisher. Keyed by place, so that a compacted topic would keep one of each. Of an original
    above 4 MB the beginning is kept."""
    letters = [_fitting(letter) for letter in letters]
    keys = [f"{x.topic}:{x.partition}:{x.offset}".encode() for x in letters]
    headers = [_headers(letter, key, source) for letter, key in zip(letters, keys, strict=True)]
    publisher.send(topic, list(keys), [x.original for x in letters], headers)


def read_dead(settings: KafkaSettings, after: int = -1, topic: str = DEAD_LETTERS) -> Iterator[DeadMessage]:
    """The dead letters from number `after` + 1 to the end of the topic as it was when asked; one partition."""
    consumer = Consumer(settings.reader() | {"group.id": "tapewatch-reader"})
    try:
        at, end = ends_of(consumer, topic, 0, settings.timeout_s)
        at = max(at, after + 1)
        with reported(f"reading {topic}"):
            consumer.assign([TopicPartition(topic, 0, at)])
        while at < end:
            with reported(f"reading {topic}"):
                message = consumer.poll(settings.timeout_s)
            if message is None:
                raise RetryableError(f"reading {topic}: nothing came from offset {at}, the log ends at {end}")
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return
            if error is not None:
                raise as_ours(error, f"reading {topic}")
            yield dead_message(message)
            at = (message.offset() or 0) + 1
    finally:
        consumer.close()


def replay(publisher: KafkaPublisher, letters: Sequence[DeadMessage]) -> None:
    """Write the originals again to the partitions that they came from, which is where the state of their symbols is,
    with the keys that they had as far as those were kept."""
    for letter in letters:
        publisher.send(letter.topic, [letter.key], [letter.original], partition=letter.partition)
    publisher.flush()


def dead_message(message: Message) -> DeadMessage:
    """The letter in a message; InputError where it was not written by `write_dead`."""
    given: Any = message.headers() or []  # typed as if it could be a dictionary, which only a producer is given
    found: dict[str, bytes] = dict(given)
    try:
        return DeadMessage(
            topic=found[_PREFIX + "topic"].decode(),
            partition=int(found[_PREFIX + "partition"]),
            offset=int(found[_PREFIX + "offset"]),
            reason=found[_PREFIX + "reason"].decode(),
            original=bytes(message.value() or b""),
            key=found.get(_PREFIX + "key"),
            number=message.offset() or 0,
            cut=int(found.get(_PREFIX + "cut", b"0")),
        )
    except (KeyError, ValueError):
        raise InputError(f"message {message.offset()} of {message.topic()} is not a dead letter") from None


def _headers(letter: DeadMessage, place: bytes, source: str) -> Headers:
    ours: list[tuple[str, str | bytes | None]] = [
        (_PREFIX + "topic", letter.topic.encode()),
        (_PREFIX + "partition", str(letter.partition).encode()),
        (_PREFIX + "offset", str(letter.offset).encode()),
        (_PREFIX + "reason", letter.reason[:_REASON_CHARS].encode()),
        ("ce_specversion", b"1.0"),
        ("ce_id", place),
        ("ce_type", b"io.tapewatch.dead"),
        ("ce_source", source.encode()),
    ]
    if letter.cut:
        ours.append((_PREFIX + "cut", str(letter.cut).encode()))
    return ours if letter.key is None else [*ours, (_PREFIX + "key", letter.key)]


def _fitting(letter: DeadMessage) -> DeadMessage:
    over = len(letter.original) - _MOST_BYTES
    if over <= 0:
        return letter
    return msgspec.structs.replace(letter, original=letter.original[:_MOST_BYTES], cut=letter.cut + over)
