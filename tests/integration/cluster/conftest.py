"""Fixtures of the tests of the whole cluster."""

import uuid
from collections.abc import Callable

import pytest

from tapewatch.runtime.cluster.servers import Running
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec, our_topics
from tests.integration.cluster.detection_support import Cluster


@pytest.fixture
def make_cluster(kafka_server: Running, state_redis: Running, queue_redis: Running) -> Callable[[int], Cluster]:
    def make(partitions: int) -> Cluster:
        kafka, name = KafkaSettings(kafka_server.address), uuid.uuid4().hex[:12]
        KafkaTopics(kafka).ensure([TopicSpec(f"t-{name}", partitions)])
        there = KafkaTopics(kafka).find([s.name for s in our_topics((), 2)])
        KafkaTopics(kafka).ensure([s for s in our_topics((), 2) if s.name not in there])
        environment = {
            "TAPEWATCH_KAFKA__BOOTSTRAP": kafka_server.address,
            "TAPEWATCH_KAFKA__TOPICS": f"t-{name}",
            "TAPEWATCH_KAFKA__PARTITIONS": str(partitions),
            "TAPEWATCH_STATE__URL": state_redis.address,
            "TAPEWATCH_STATE__PREFIX": name,
            "TAPEWATCH_QUEUE__URL": queue_redis.address,
            "TAPEWATCH_BRIDGE__GROUP": name,
            "TAPEWATCH_BRIDGE__SOURCE": f"/{name}",
        }
        return Cluster(kafka, environment, f"t-{name}", partitions)

    return make
