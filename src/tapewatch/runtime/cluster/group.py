"""Membership in the consumer group: which partitions are ours. It reads nothing: every partition is paused."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tapewatch.model.errors import CommitRefusedError, InputError, RetryableError, TapewatchError
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.tape.kafka_entrance import refusal
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_settings import KafkaSettings

_log = logging.getLogger(__name__)
Partitions = Sequence[tuple[str, int]]
GATE_S = 1.0
HEARD_S = 15.0
"""What the client has heard of the brokers holds for so long: it tries again every second, and hears it again."""
_NOT_A_MEMBER = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID, KafkaError.FENCED_MEMBER_EPOCH}
"""Without ILLEGAL_GENERATION and STALE_MEMBER_EPOCH: a member gets them that has yet to hear how a rebalance ended.
What it keeps is its own meanwhile, and must not stand still."""


class GroupMember:
    """One member. `given` and `taken` are called on the thread that runs `poll`; `taken` may commit offsets as long as
    `lost` (its second argument) is false, and the next owner waits until it returns."""

    def __init__(
        self,
        kafka: KafkaSettings,
        bridge: BridgeSection,
        topics: Sequence[str],
        given: Callable[[Partitions], None],
        taken: Callable[[Partitions, bool], None],
    ) -> None:
        """`topics`: names, and patterns that begin with `^`."""
        self._given, self._taken = given, taken
        self._gate = threading.RLock()
        self.owned: set[tuple[str, int]] = set()
        self.joined = threading.Event()
        self._heard: TapewatchError | None = None
        self._heard_at = self._refused_at = -HEARD_S
        with reported("joining the consumer group"):
            self._consumer = Consumer(kafka.common() | _conf(bridge) | {"error_cb": self._hear})
            self._consumer.subscribe(
                list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )

    def trouble(self) -> str | None:
        """Why the brokers do not let us in, if one has told so in the last seconds. One that is away is no refusal."""
        return str(self._heard) if time.monotonic() < self._refused_at + HEARD_S else None

    def poll(self) -> None:
        """What keeps the membership alive, without waiting: to be called all the time, on one thread, with a pause
        between two calls, because nobody else can use the client meanwhile."""
        with self._gate:
            message = self._consumer.poll(0.0)
        error = message.error() if message is not None else None
        if error is None:
            return
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT) or error.retriable():
            _log.warning("consumer group: %s", error.str())
        elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            _log.warning("consumer group: a topic is not there yet: %s", error.str())
        elif error.code() == KafkaError._MAX_POLL_EXCEEDED:  # we were stopped, or starved; the next call joins again
            _log.warning("consumer group: put out of it, for a standstill: %s", error.str())
        else:
            raise as_ours(error, "consumer group")

    def commit(self, at: TopicPartition) -> None:
        """Commit one offset. Raises CommitRefusedError (`member`) where we are no member, RetryableError where the
        partitions are just being dealt anew."""
        name = f"the offset of {at.topic}/{at.partition}"
        if not self._gate.acquire(timeout=GATE_S):
            raise RetryableError(f"{name} is not committed: the group is dealing partitions")
        try:
            (done,) = self._consumer.commit(offsets=[at], asynchronous=False) or [at]
            error = done.error
        except KafkaException as raised:
            error = raised.args[0]
        except RuntimeError:  # closed
            raise CommitRefusedError("member", name, None) from None
        finally:
            self._gate.release()
        if error is not None and error.code() in _NOT_A_MEMBER:
            raise CommitRefusedError("member", name, error.str())
        if error is not None:
            raise as_ours(error, name)

    def close(self) -> None:
        """Leave the group: what is ours is taken first."""
        self._consumer.close()

    def _hear(self, error: KafkaError) -> None:
        """What happens in the background: on the thread of `poll`, or of a commit."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # which says less than what it follows from
            return
        heard = refusal(error, "consumer group")
        if isinstance(heard, InputError):
            self._refused_at = time.monotonic()
        if not self._is_fresh() or (isinstance(heard, InputError) and not isinstance(self._heard, InputError)):
            self._heard = heard  # else there is no end of it: one reason is enough, if a person can act on it
            _log.warning("%s", heard)
        self._heard_at = time.monotonic()

    def _is_fresh(self) -> bool:
        return time.monotonic() < self._heard_at + HEARD_S

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        if partitions:
            consumer.pause(partitions)
        found = _names(partitions)
        self.owned |= set(found)
        self.joined.set()
        self._given(found)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(consumer, partitions, lost=False)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop(consumer, partitions, lost=True)

    def _drop(self, consumer: Consumer, partitions: list[TopicPartition], *, lost: bool) -> None:
        found = _names(partitions)
        self._taken(found, lost)
        self.owned -= set(found)
        consumer.incremental_unassign(partitions)


def _names(partitions: list[TopicPartition]) -> list[tuple[str, int]]:
    return [(at.topic, at.partition) for at in partitions]


def _conf(bridge: BridgeSection) -> dict[str, str | int | float | bool]:
    common: dict[str, str | int | float | bool] = {
        "group.id": bridge.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",  # not read from: the state says where to begin
        "topic.metadata.refresh.interval.ms": 10_000,  # a topic that matches a pattern is found so soon
    }
    if bridge.group_protocol == "consumer":
        return common | {"group.protocol": "consumer"}
    session_ms = int(bridge.session_s * 1000)
    return common | {
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": min(session_ms // 4, 2000),
        "max.poll.interval.ms": max(60_000, session_ms),
    }
