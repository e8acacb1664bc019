"""The protocol's ports on Kafka: the log, the group's offsets, the topics of what was found."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby

import msgspec
from confluent_kafka import TopicPartition

from tapewatch.runtime.cluster.group import GroupMember
from tapewatch.runtime.cluster.protocol.ports import Mark, ShardId
from tapewatch.runtime.tracing import follow, following, traceparent
from tapewatch.stores.port import OutboxEntry, OutboxKind
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_dead import DeadMessage, send_dead
from tapewatch.tape.kafka_events import event_headers, event_of, trace_of
from tapewatch.tape.kafka_names import ALERTS, AUDIT, BREADTH, DEAD_LETTERS, GROUPS, SIGNALS
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.port import RawBatch

TOPICS: dict[OutboxKind, str] = {
    "signal": SIGNALS,
    "alert": ALERTS,
    "audit": AUDIT,
    "breadth": BREADTH,
    "market": GROUPS,
    "dead": DEAD_LETTERS,
}
_LEAST_WAIT_S = 0.001


def _urgency(entry: OutboxEntry) -> bool:
    return entry.kind != "alert"


class KafkaLog:
    """A `Log` on a tape. Between two reads, `wait` waits for what comes next."""

    def __init__(self, tape: KafkaTape, messages: int, size: int) -> None:
        """`messages` and `size` limit what `wait` fetches: those that `read` will be called with."""
        self._tape, self._limits = tape, (messages, size)
        self._held: RawBatch | None = None
        self._given: RawBatch | None = None

    def read(self, start: int, max_messages: int, max_bytes: int) -> RawBatch:
        """Reading again from where the last read began gives the same, without the broker."""
        held, self._held = self._held, None
        for found in (self._given, held):
            if found is not None and found.start == start < found.end and len(found) <= max_messages:
                self._given = found
                return found
        self._given = self._tape.read(start, max_messages, max_bytes, wait_s=_LEAST_WAIT_S)
        return self._given

    def wait(self, start: int, wait_s: float) -> None:
        """Until there is a record from `start` on, at most so long."""
        if self._held is None or self._held.start != start:
            raw = self._tape.read(start, *self._limits, wait_s=max(wait_s, _LEAST_WAIT_S))
            self._held = raw if raw.end > start else None


class GroupOffsets:
    """The `Offsets` of one partition, committed as a member of the group."""

    def __init__(self, member: GroupMember, tape: KafkaTape, topic: str, partition: int) -> None:
        self._member, self._tape, self._topic, self._partition = member, tape, topic, partition

    def committed(self) -> Mark:
        offset, note = self._tape.committed_with_metadata()
        epoch, _, incarnation = note.partition(" ")
        return Mark(offset, int(epoch) if epoch.isdigit() else 0, incarnation)

    def commit(self, mark: Mark) -> None:
        note = f"{mark.epoch} {mark.incarnation}"
        self._member.commit(TopicPartition(self._topic, self._partition, mark.offset, metadata=note))


class KafkaOutbox:
    """A `Publisher`: each kind to its topic, under its key, with the headers of a CloudEvent. Alerts first: people wait
    for them, and a broker takes what one client sends one after the other."""

    def __init__(self, publisher: KafkaPublisher, source: str) -> None:
        self._publisher, self._source = publisher, source
        self._failed = publisher.failed  # those that a flush has told of

    def send(self, shard: ShardId, entries: Sequence[OutboxEntry]) -> None:
        trace = partial(traceparent, shard.name)
        for kind, run in groupby(sorted(entries, key=_urgency), lambda entry: entry.kind):
            found = list(run)
            if kind == "dead":
                letters = [msgspec.json.decode(entry.payload, type=DeadMessage) for entry in found]
                send_dead(self._publisher, letters, self._source)
                continue
            headers = [event_headers(kind, entry.payload, self._source, trace) for entry in found]
            self._publisher.send(
                TOPICS[kind], [entry.key.encode() for entry in found], [entry.payload for entry in found], headers
            )
            if following():
                for given in headers:
                    follow(trace_of(given), "published", topic=TOPICS[kind], event=event_of(given))

    def flush(self) -> None:
        try:
            self._publisher.flush(self._failed)
        finally:
            self._failed = self._publisher.failed
