"""A member of a consumer group where one of its topics is not there: what it reads of the others, and what it says."""

import time
import uuid
from collections.abc import Callable

import pytest

from tapewatch.model.errors import RetryableError
from tapewatch.runtime.cluster.servers import Running
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec

pytestmark = pytest.mark.cluster
COUNT, PATIENCE_S = 200, 60.0


def test_trouble_comes_after_the_messages_that_were_read_with_it_and_a_topic_that_is_made_later_is_read(
    kafka_server: Running,
) -> None:
    name = uuid.uuid4().hex[:12]
    there, later = f"a-{name}", f"b-{name}"
    settings = KafkaSettings(kafka_server.address)
    KafkaTopics(settings).ensure([TopicSpec(there, 1)])
    write(settings, there)
    group = KafkaGroup(settings, [there, f"^b-{name}", f"c-{name}"], name)
    told: list[str] = []
    assert offsets(group, told, until=lambda: bool(told)) == list(range(COUNT))
    assert "a topic is not there yet" in told[0] and there in told[0]
    KafkaTopics(settings).ensure([TopicSpec(later, 1)])
    write(settings, later)
    assert offsets(group, told) == list(range(COUNT))
    group.close()


def write(settings: KafkaSettings, topic: str) -> None:
    publisher = KafkaPublisher(settings)
    publisher.send(topic, [b"k"] * COUNT, [b"v"] * COUNT)
    publisher.close()


def offsets(group: KafkaGroup, told: list[str], until: Callable[[], bool] = lambda: True) -> list[int]:
    """Of the next messages, in the order in which they came, until all are there and `until` holds."""
    found: list[int] = []
    give_up = time.monotonic() + PATIENCE_S
    while (len(found) < COUNT or not until()) and time.monotonic() < give_up:
        try:
            found += [message.offset for message in group.take(7, 0.2)]
        except RetryableError as error:
            told.append(str(error))
    return found
