"""Bridges that read other topics than the processes beside them: the merger and the archiver say so at their start."""

import uuid

import msgspec
import pytest

from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.sources import tell_of_unread
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.runtime.config.kafka import KafkaSection
from tapewatch.runtime.config.settings import Settings
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec

pytestmark = pytest.mark.cluster


def test_what_the_bridges_have_committed_tells_which_topics_are_left_out(
    kafka_server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    name = uuid.uuid4().hex[:12]
    topics, kafka = [f"tsla-{name}", f"coins-{name}"], KafkaSettings(kafka_server.address)
    KafkaTopics(kafka).ensure([TopicSpec(topic, 1) for topic in topics])
    bridges = KafkaGroup(kafka, topics, name)
    assert bridges.commit_at({(topic, 0): 0 for topic in topics})
    bridges.close()
    named = Settings(
        kafka=KafkaSection(bootstrap=kafka_server.address, topics=(topics[0],)), bridge=BridgeSection(group=name)
    )
    tell_of_unread(named)
    (told,) = caplog.messages
    assert f"have read {topics[1]}, which kafka.topics" in told
    caplog.clear()
    both = msgspec.structs.replace(named.kafka, topics=(f"^.*-{name}",))
    tell_of_unread(msgspec.structs.replace(named, kafka=both))
    nobody = msgspec.structs.replace(named.bridge, group=f"nobody-{name}")
    tell_of_unread(msgspec.structs.replace(named, bridge=nobody))
    assert not caplog.messages
