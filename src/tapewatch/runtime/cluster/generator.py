"""A feed onto Kafka, as `tapewatch generate --to kafka` does it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric

from tapewatch.feeds.paced import paced
from tapewatch.feeds.port import Feed
from tapewatch.runtime.cluster.ops import OpsServer
from tapewatch.runtime.config.kafka import KafkaSection, kafka_settings
from tapewatch.runtime.config.sinks import OpsSection
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


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """What was handed over so far, for `/metrics`: a Prometheus collector."""

    writer: KafkaFeedWriter

    def collect(self) -> Iterable[Metric]:
        """The families, read at the moment of the scrape."""
        for name, value, text in (
            ("records", self.writer.records, "Records of the feed written to the tape."),
            ("messages", self.writer.messages, "Messages that they became: a heartbeat is one a partition."),
        ):
            yield CounterMetricFamily(f"tapewatch_generated_{name}", text, value=value)


def publish(
    section: KafkaSection,
    feed: Feed,
    topic: str | None = None,
    speed: float = 0.0,
    advance: Callable[[int], object] = lambda _: None,
    ops: OpsSection | None = None,
) -> Published:
    """Write the feed to `topic` (None: the first of the settings) at `speed` times real time, 0 as fast as possible.

    Topics that are missing are made. `advance` is told of records as they are handed over; figures and readiness are
    served where `ops` says, for as long as it lasts. Raises InputError for a
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
    registry, before = CollectorRegistry(), 0
    registry.register(FeedFigures(writer))
    with OpsServer(ops or OpsSection(), registry, {"kafka": topics.check}):
        try:
            for records in writer.write(source.batches(0)):
                advance(records - before)
                before = records
        finally:
            writer.flush()
    return Published(name, section.partitions, writer.records, writer.messages, time.monotonic() - began)
