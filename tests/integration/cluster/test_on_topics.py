"""What a relay finds out about the topics when it takes over, on a real broker."""

import threading
import time
import uuid

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from tapewatch.model.times import format_rfc3339
from tapewatch.runtime.cluster.kafka_ports import KafkaOutbox
from tapewatch.runtime.cluster.on_topics import SKEW_MS, OnTopics
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.cluster.servers import Running
from tapewatch.stores.port import OutboxEntry
from tapewatch.tape.kafka_dead import DeadMessage
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, our_topics
from tests.factories import make_alert, make_signal

pytestmark = pytest.mark.cluster
SHARD = ShardId("prices", "id", 0)


@pytest.fixture
def settings(kafka_server: Running) -> KafkaSettings:
    settings = KafkaSettings(kafka_server.address)
    there = KafkaTopics(settings).find([spec.name for spec in our_topics((), 2)])
    KafkaTopics(settings).ensure([spec for spec in our_topics((), 2) if spec.name not in there])
    return settings


def alerts(count: int) -> list[OutboxEntry]:
    """Revisions of an alert of this test's own, found now."""
    alert = make_alert(alert_id=uuid.uuid4().hex, timestamp_detection=format_rfc3339(time.time_ns()))
    found = [msgspec.structs.replace(alert, revision=r) for r in range(1, count + 1)]
    return [OutboxEntry("alert", "TSLA", msgspec.json.encode(a), seq) for seq, a in enumerate(found, 1)]


def publish(settings: KafkaSettings, entries: list[OutboxEntry]) -> None:
    outbox = KafkaOutbox(KafkaPublisher(settings), "/test")
    outbox.send(SHARD, entries)
    outbox.flush()


def wait_for_quiet(settings: KafkaSettings) -> None:
    """Until no alert is as young as a look reaches back: it shares out what it may read among partitions that have any,
    and a test before this one may just have written to both."""
    consumer, quiet = Consumer(settings.reader() | {"group.id": "quiet"}), False
    while not quiet:
        time.sleep(0.5)
        since_ms = time.time_ns() // 1_000_000 - SKEW_MS - 1_000
        asked = [TopicPartition("anomaly_alerts", partition, since_ms) for partition in range(2)]
        quiet = all(at.offset < 0 for at in consumer.offsets_for_times(asked, 10.0))
    consumer.close()


def test_what_was_published_of_each_kind_is_found_by_its_id_and_the_rest_is_not(settings: KafkaSettings) -> None:
    first, second, third = alerts(3)
    signal = make_signal(signal_id=uuid.uuid4().hex)
    letter = DeadMessage(topic=uuid.uuid4().hex, partition=0, offset=7, reason="no JSON", original=b"x")
    there = [
        first,
        OutboxEntry("signal", "TSLA", msgspec.json.encode(signal), 11),
        OutboxEntry("dead", f"{letter.topic}:0:7", msgspec.json.encode(letter), 12),
    ]
    publish(settings, there)
    missing = [
        second,
        third,
        OutboxEntry("dead", f"{letter.topic}:0:8", msgspec.json.encode(msgspec.structs.replace(letter, offset=8)), 13),
    ]
    assert sorted(OnTopics(settings).among(SHARD, [*there, *missing])) == [1, 11, 12]


def test_no_more_is_read_than_was_allowed_and_that_is_counted(settings: KafkaSettings) -> None:
    wait_for_quiet(settings)
    entries = alerts(40)
    publish(settings, entries)
    looks = OnTopics(settings, most=10)
    assert sorted(looks.among(SHARD, entries)) == list(range(31, 41))
    assert (looks.counts["cut"], looks.counts["read"]) == (1, 10)


def test_nothing_is_read_where_nothing_came_since_the_entries_were_found(settings: KafkaSettings) -> None:
    later = time.time_ns() + 3_600_000_000_000
    alert = make_alert(timestamp_detection=format_rfc3339(later))
    looks = OnTopics(settings)
    assert not looks.among(SHARD, [OutboxEntry("alert", "TSLA", msgspec.json.encode(alert), 1)])
    assert looks.counts["read"] == 0


def test_a_look_ends_although_others_go_on_to_write(settings: KafkaSettings) -> None:
    """Without a pause: a look that went for the end of a partition would never come to it."""
    publish(settings, alerts(3_000))
    over, other = threading.Event(), alerts(1)[0].payload

    def write() -> None:
        publisher = KafkaPublisher(settings, linger_ms=0)
        while not over.wait(0.001):
            for partition in range(2):
                publisher.send("anomaly_alerts", [b"TSLA"], [other], partition=partition)
        publisher.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            assert not OnTopics(settings).among(SHARD, alerts(1))
    finally:
        over.set()
        writer.join()
