"""What Kafka knows: how long the tape is, who owns which partition, how far each consumer group is."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tapewatch.runtime.status.model import Group
from tapewatch.tape.kafka_errors import reported
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicInfo

Ends = dict[tuple[str, int], int]
Owners = dict[tuple[str, int], str]


class KafkaLook:
    """Asks the brokers. Every method raises RetryableError where they do not answer."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        with reported("Kafka"):
            self._admin = AdminClient(settings.common())

    def topics(self, names: Sequence[str]) -> dict[str, TopicInfo]:
        """The topics that exist of these names and patterns."""
        return KafkaTopics(self._settings).matching(names)

    def ends(self, places: Sequence[tuple[str, int]]) -> Ends:
        """The end of each partition: its last offset + 1."""
        if not places:
            return {}
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the client has not annotated it
        with reported("looking up the ends of the tape"):
            found = self._admin.list_offsets({TopicPartition(t, p): latest for t, p in places}, **self._limit())
            return {(at.topic, at.partition): self._of(future).offset for at, future in found.items()}

    def group(self, name: str) -> tuple[Group, Owners]:
        """A consumer group, and who owns what in it. A group that nobody ever joined is `Dead` and has no members."""
        with reported(f"looking up group {name}"):
            try:
                found = self._of(self._admin.describe_consumer_groups([name], **self._limit())[name])
            except KafkaException as error:
                if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return Group(name=name, state="never joined"), {}
                raise
        members = {
            f"{m.client_id.removeprefix('tapewatch-')}@{m.host.lstrip('/')}": m.assignment.topic_partitions
            for m in found.members
        }
        owners = {(at.topic, at.partition): who for who, places in members.items() for at in places}
        state = found.state.name.lower().replace("_", " ")
        committed = self._committed(name)
        ends = self.ends(list(committed))
        lag = sum(max(ends[at] - offset, 0) for at, offset in committed.items()) if committed else None
        return Group(name=name, state=state, members=tuple(sorted(members)), lag=lag), owners

    def topics_of(self, group: str) -> set[str]:
        """The topics of which a consumer group has committed offsets."""
        return {topic for topic, _ in self._committed(group)}

    def _committed(self, group: str) -> Ends:
        with reported(f"looking up the offsets of group {group}"):
            asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], **self._limit())
            places = self._of(asked[group]).topic_partitions
        return {(at.topic, at.partition): at.offset for at in places if at.offset >= 0}

    def _limit(self) -> dict[str, float]:
        return {"request_timeout": self._settings.timeout_s}

    def _of(self, future: "Future[Any]") -> Any:  # the client's answers have no common type
        return future.result(self._settings.timeout_s + 5)
