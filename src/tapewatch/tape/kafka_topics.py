"""Topics: made once with what the protocol needs, checked ever after."""

import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.tape.kafka_entrance import WAIT_S, knock
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_names import (
    ALERTS,
    AUDIT,
    BREADTH,
    DEAD_LETTERS,
    GROUPS,
    PARTITIONS,
    PRICES,
    SIGNALS,
    SNAPSHOTS,
)
from tapewatch.tape.kafka_settings import KafkaSettings

T = TypeVar("T")
_LATE_S = 5.0
_DAY_MS = 24 * 3600 * 1000
_STAMPED = "message.timestamp.type"
_VISIBLE_S, _LOOK_S = 60.0, 0.05
_WIDE = 8 << 20
ALERTS_KEPT = 4
"""How many times as long as ticks what is found in them is kept in its topics."""
PATTERN = "^"
"""Begins a name that stands for every topic which matches it."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it has to be. `retention_days` None keeps for ever; a compacted topic keeps the newest of each key."""

    name: str
    partitions: int
    retention_days: float | None = 7.0
    compacted: bool = False
    message_bytes: int | None = None  # the largest message; None is the broker's default, as a rule 1 MB

    def config(self) -> dict[str, str]:
        """The broker stamps messages when it appends them: with the producers' times, a replay of old ticks would be
        deleted at once by any retention."""
        config = {_STAMPED: "LogAppendTime", "cleanup.policy": "compact" if self.compacted else "delete"}
        if self.compacted:  # what is superseded goes soon: only closed segments are compacted
            config |= {"segment.ms": "600000", "min.cleanable.dirty.ratio": "0.2"}
        else:
            config["retention.ms"] = "-1" if self.retention_days is None else str(int(self.retention_days * _DAY_MS))
        if self.message_bytes is not None:
            config["max.message.bytes"] = str(self.message_bytes)
        return config


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic as it is. `topic_id` is new for a topic that was deleted and made again under its name."""

    name: str
    topic_id: str
    partitions: int
    append_time: bool  # messages carry the time of the log, not of their producers


def our_topics(
    prices: Sequence[str] = (PRICES,), partitions: int = PARTITIONS, retention_days: float = 7.0
) -> tuple[TopicSpec, ...]:
    """Every topic that tapewatch reads or writes. Those of alerts are kept longer than the tape: they are small."""
    return (
        *(TopicSpec(name, partitions, retention_days) for name in prices),
        TopicSpec(SIGNALS, partitions, ALERTS_KEPT * retention_days),
        TopicSpec(ALERTS, partitions, ALERTS_KEPT * retention_days),
        TopicSpec(
            DEAD_LETTERS, 1, ALERTS_KEPT * retention_days, message_bytes=_WIDE
        ),  # the original, and why it was not read
        TopicSpec(BREADTH, 1, retention_days, message_bytes=_WIDE),  # every symbol of a market may be in one minute
        TopicSpec(GROUPS, 1, ALERTS_KEPT * retention_days, message_bytes=_WIDE),
        TopicSpec(SNAPSHOTS, partitions, compacted=True),
        TopicSpec(AUDIT, 1, None),
    )


def named_by(wanted: Sequence[str]) -> Callable[[str], bool]:
    """Whether one of these names and patterns stands for a topic."""
    names = {name for name in wanted if not name.startswith(PATTERN)}
    patterns = [re.compile(name) for name in wanted if name.startswith(PATTERN)]
    return lambda topic: topic in names or any(pattern.match(topic) for pattern in patterns)


class KafkaTopics:
    """Makes and looks up topics. Raises RetryableError where no broker answers."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        with reported("Kafka"):
            self._admin = AdminClient(settings.common())

    def ensure(self, specs: Sequence[TopicSpec], replication: int = -1) -> list[str]:
        """Make the topics that are missing; return their names. `replication` -1 is the broker's default.

        Raises InputError, before anything is made, where one exists with other partitions or with its producers' times:
        a symbol's shard and the time of each message are part of the state.
        """
        found = self.find([spec.name for spec in specs])
        for spec in specs:
            if spec.name in found:
                check_topic(found[spec.name], spec.partitions)
        missing = [spec for spec in specs if spec.name not in found]
        new = [NewTopic(s.name, s.partitions, replication, config=s.config()) for s in missing]
        made = self._admin.create_topics(new, request_timeout=self._settings.timeout_s) if new else {}
        for name, future in made.items():
            try:
                self._wait(future)
            except KafkaException as error:  # made by another process meanwhile: it is checked below
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise as_ours(error.args[0], f"making topic {name}") from error
        self._wait_for(missing)
        return list(made)

    def make_missing(self, specs: Sequence[TopicSpec], replication: int = -1) -> None:
        """Make the topics that are missing and take those that exist as they are."""
        there = self.find([spec.name for spec in specs])
        self.ensure([spec for spec in specs if spec.name not in there], replication)

    def check(self) -> None:
        """Return if a broker answers; the errors of `knock` if not."""
        try:
            self._admin.list_topics(timeout=min(WAIT_S, self._settings.timeout_s))
        except KafkaException:
            knock(self._settings, 0.0)

    def find(self, names: Sequence[str]) -> dict[str, TopicInfo]:
        """The topics among these that exist."""
        if not names:
            return {}
        described = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=self._settings.timeout_s)
        topics = {}
        for name, future in described.items():
            try:
                topics[name] = self._wait(future)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise as_ours(error.args[0], f"looking up topic {name} at {self._settings.bootstrap}") from error
        stamped = self._append_times(list(topics))
        return {n: TopicInfo(n, str(t.topic_id), len(t.partitions), stamped[n]) for n, t in topics.items()}

    def id_of(self, name: str) -> str:
        """The id of a topic: another one once it was deleted and made again. RetryableError where it is not there."""
        found = self.find([name]).get(name)
        if found is None:
            raise RetryableError(f"there is no topic {name} now")
        return found.topic_id

    def matching(self, wanted: Sequence[str]) -> dict[str, TopicInfo]:
        """The topics that exist of these names and patterns."""
        names = {name for name in wanted if not name.startswith(PATTERN)}
        if any(name.startswith(PATTERN) for name in wanted):
            with reported(f"Kafka at {self._settings.bootstrap}"):
                there = self._admin.list_topics(timeout=self._settings.timeout_s).topics
            names |= set(filter(named_by(wanted), there))
        return self.find(sorted(names))

    def _wait(self, answer: Future[T]) -> T:
        try:
            return answer.result(self._settings.timeout_s + _LATE_S)
        except FutureTimeoutError:  # the client has its own limit and says why: this is for the case that it does not
            raise RetryableError(f"Kafka at {self._settings.bootstrap} does not answer") from None

    def _append_times(self, names: Sequence[str]) -> dict[str, bool]:
        if not names:
            return {}
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        with reported(f"reading the settings of {', '.join(names)}"):
            answers = self._admin.describe_configs(resources, request_timeout=self._settings.timeout_s)
            configs = {r.name: self._wait(f) for r, f in answers.items()}
        return {name: config[_STAMPED].value == "LogAppendTime" for name, config in configs.items()}

    def _wait_for(self, specs: Sequence[TopicSpec]) -> None:
        """A topic that was made is not known to every broker at once, nor led by one."""
        deadline = time.monotonic() + _VISIBLE_S
        missing = {spec.name: spec.partitions for spec in specs}
        while missing:
            for name, info in self.find(list(missing)).items():
                check_topic(info, missing[name])
                if self._is_led(info):
                    del missing[name]
            if missing and time.monotonic() > deadline:
                raise RetryableError(f"topics {sorted(missing)} were made but are not ready")
            if missing:
                time.sleep(_LOOK_S)

    def _is_led(self, info: TopicInfo) -> bool:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the client has not annotated it
        at = {TopicPartition(info.name, p): latest for p in range(info.partitions)}
        try:
            for future in self._admin.list_offsets(at, request_timeout=self._settings.timeout_s).values():
                self._wait(future)
        except KafkaException as error:
            ours = as_ours(error.args[0], f"looking up topic {info.name}")
            if isinstance(ours, RetryableError):
                return False
            raise ours from error
        return True


def check_topic(info: TopicInfo, partitions: int) -> None:
    """InputError where the topic is not as it was made for the state that exists."""
    if info.partitions != partitions:
        raise InputError(
            f"topic {info.name} has {info.partitions} partitions, the settings say {partitions}. A symbol would change"
            f" its shard, and lose its state and its order. Set kafka.partitions={info.partitions}, or stop the feed,"
            f" copy the topic (tapewatch topics copy {info.name} {info.name}-{partitions} --partitions {partitions})"
            f" and set kafka.topics to the copy"
        )
    if not info.append_time:
        raise InputError(
            f"topic {info.name} keeps its producers' times: old ticks would be deleted at once and late ones misjudged."
            f" Set message.timestamp.type=LogAppendTime on it"
        )
