"""Which shards there are: every partition of every topic of the tape."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b

from tapewatch.model.errors import RetryableError
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.status.kafka import KafkaLook
from tapewatch.tape.kafka_topics import KafkaTopics, named_by

_log = logging.getLogger(__name__)
LOOK_S = 10.0


def shards_of(topics: KafkaTopics, wanted: Sequence[str]) -> list[str]:
    """The names of all shards of these topics (names, and patterns), as Kafka has them now."""
    found = topics.matching(wanted).values()
    return [ShardId(topic.name, topic.topic_id, p).name for topic in found for p in range(topic.partitions)]


def unread(wanted: Sequence[str], there: Collection[str]) -> list[str]:
    """Those of the topics that none of these names and patterns stands for."""
    read = named_by(wanted)
    return sorted(topic for topic in there if not read(topic))


def tell_of_unread(settings: Settings) -> None:
    """Log which topics the bridges have read that `kafka.topics` of this process does not name. What they have
    committed is the record that all share."""
    try:
        look = KafkaLook(kafka_settings(settings.kafka, "tapewatch-topics"))
        left_out = unread(settings.kafka.topics, look.topics_of(settings.bridge.group))
    except RetryableError as error:
        _log.warning("which topics the bridges read is not known: %s", error)
        return
    if left_out:
        _log.warning(
            "the bridges of group %s have read %s, which kafka.topics of this process does not name: it leaves "
            "them out; set kafka.topics in a file or the environment, the same for all processes",
            settings.bridge.group,
            ", ".join(left_out),
        )


class TapeSources:
    """The shards as of the last look. For one thread. A topic that comes, goes or is made again makes them others."""

    def __init__(self, look: Callable[[], Sequence[str]], clock_s: Callable[[], float] = time.monotonic) -> None:
        """`look` gives the names of all shards; it may raise RetryableError."""
        self._look, self._clock_s = look, clock_s
        self._look_at = 0.0
        self._strange: set[str] = set()
        self.names: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of the names."""
        return blake2b("\n".join(self.names).encode(), digest_size=16).hexdigest()

    def stamp(self) -> str:
        """The fingerprint, after a look every ten seconds. RetryableError where there is no topic yet."""
        if self._clock_s() >= self._look_at:
            self.look()
        return self.fingerprint

    def look(self) -> None:
        """Look now. RetryableError where there is no topic yet."""
        found = tuple(sorted(self._look()))
        if not found:
            raise RetryableError("there is no topic of the tape yet")
        self.names, self._look_at = found, self._clock_s() + LOOK_S

    def has(self, name: str) -> bool:
        """Whether this is a shard of the tape: where it was none at the last look, on a look of now, once a name."""
        if name not in self.names and name not in self._strange:
            self.look()
            if name not in self.names:
                self._strange.add(name)
                _log.warning(
                    "the minutes of shard %s are left out: kafka.topics of this process does not name its topic", name
                )
        return name in self.names
