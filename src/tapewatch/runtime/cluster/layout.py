"""The topics that a bridge needs, and the number of partitions that the state was made for."""

from tapewatch.runtime.config.kafka import KafkaSection
from tapewatch.stores.redis import Client
from tapewatch.stores.redis.client import answering
from tapewatch.tape.kafka_names import SNAPSHOTS
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import PATTERN, KafkaTopics, check_topic, our_topics


def merger_group(bridges: str) -> str:
    """The consumer group of the mergers of an installation, by that of its bridges."""
    return f"{bridges}-merge"


class Layout:
    """Makes topics that are missing, and holds those of the tape to the partitions that they had at first: a symbol
    would change its shard, and lose its state and its order."""

    def __init__(self, settings: KafkaSettings, section: KafkaSection, client: Client, prefix: str) -> None:
        self._topics, self._section, self._client = KafkaTopics(settings), section, client
        self._key = f"{prefix}:partitions"
        self._snapshots = 1

    def make(self) -> None:
        """Make what is missing. Raises InputError where a topic is not as it has to be."""
        section = self._section
        named = [topic for topic in section.topics if not topic.startswith(PATTERN)]
        specs = our_topics(named, section.partitions, section.retention_days)
        self._topics.make_missing(specs, section.replication)
        self._snapshots = self._topics.find([SNAPSHOTS])[SNAPSHOTS].partitions
        for topic in named:
            self.check(topic)

    def check(self, topic: str) -> None:
        """Raises InputError where the topic has other partitions than when its state was made."""
        info = self._topics.find([topic])[topic]
        with answering():
            self._client.hsetnx(self._key, info.topic_id, str(info.partitions))
            known = self._client.hget(self._key, info.topic_id)
        check_topic(info, int(known or info.partitions))

    def snapshot_partition(self, partition: int) -> int:
        """Which partition of the topic of snapshots a shard's are kept in."""
        return partition % self._snapshots
