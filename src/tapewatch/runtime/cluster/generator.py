"""A feed onto Kafka, as `tapewatch generate --to kafka` does it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tapewatch.feeds.paced import paced
from tapewatch.feeds.port import Feed
from tapewatch.runtime.config.kafka import KafkaSection, kafka_settings
from tapewatch.tape.kafka_entrance import knock
from tapewatch.tape.kafka_feed import KafkaFeedWriter
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec, our_topics

_LINGER_S = 0.02  # for others to fill a message set; with a pace, each tick waits for nobody


@dataclass(frozen=True, slots=True)
class Published:
    """What was written and acknowledged."""

    topic: str
    partitions: int
    records: int
    messages: int
    seconds: float


def publish(
    section: KafkaSection,
    feed: Feed,
    topic: str | None = None,
    speed: float = 0.0,
    advance: Callable[[int], object] = lambda _: None,
) -> Published:
    """Write the feed to `topic` (None: the first of the settings) at `speed` times real time, 0 as fast as possible.

    Topics that are missing are made. `advance` is told of records as they are handed over. Raises InputError for a
    topic that is not as the settings say, RetryableError where Kafka does not answer or does not take the messages.
    """
    name = topic or section.topics[0]
    settings = kafka_settings(section, "tapewatch-generate")
    knock(settings)
    topics = KafkaTopics(settings)
    topics.ensure([TopicSpec(name, section.partitions, section.retention_days)], section.replication)
    topics.make_missing(our_topics((), section.partitions, section.retention_days), section.replication)
    publisher = KafkaPublisher(settings, linger_ms=0.0 if speed else 1000 * _LINGER_S)
    writer = KafkaFeedWriter(publisher, name, section.partitions)
    began = time.monotonic()
    source = paced(feed, speed or None, time.monotonic_ns, time.sleep)
    before = 0
    try:
        for records in writer.write(source.batches(0)):
            advance(records - before)
            before = records
    finally:
        writer.flush()
    return Published(name, section.partitions, writer.records, writer.messages, time.monotonic() - began)
