"""The topic of alerts as one numbered log: what a stream of events is resumed from, the same for every process.

The order is (append time, partition, offset), which the brokers fix. A message's number is how many messages of all
partitions stand before it in that order, plus one; counted by offsets, so that retention moves none. A message counts
only once it is older than `hold_ms`: by then no partition can still get one that stands before it (the brokers' and
this machine's clocks agree better than that; where they do not, a number may name another message in another process,
and whoever compares what it names is told to begin anew).
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from tapewatch.model.alerts import Alert
from tapewatch.model.errors import RetryableError
from tapewatch.tape.kafka_errors import as_ours, reported
from tapewatch.tape.kafka_reader import ends_of
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics

_LOOK_BACK = 2_000  # messages of a partition in which a repeat is looked for: more than a relay ever has in flight
_KNOWN = 100_000
_TAKE = 500
_SKEW_MS, _BACK_MS = 60_000, 120_000  # a broker's clock may be ahead
_decoder = msgspec.json.Decoder(Alert)

Change = tuple[int, Alert | None]
Offsets = dict[int, int]
_Held = tuple[int, int, int, Alert | None]  # append time in ms, partition, offset; None for a repeat


@dataclass(slots=True)
class _Place:
    """Where reading stands: everything below `next` was given out, and what was read beyond waits in `held`."""

    number: int
    next: Offsets
    read: Offsets
    held: dict[int, deque[_Held]]
    newest: dict[str, int] = field(default_factory=dict)  # revision by alert, of the last ones


class KafkaChanges:
    """Reads the log by number. For several threads, one at a time. Reading on from the last number is cheap; any other
    number costs twenty to forty questions to the brokers."""

    def __init__(
        self, settings: KafkaSettings, topic: str, *, hold_ms: int = 250, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Nothing is asked of Kafka yet: it may be down."""
        self._settings, self._topic, self._hold_ms, self._now_ns = settings, topic, hold_ms, now_ns
        self._lock = Lock()
        self._consumer: Consumer | None = None
        self._partitions = 0
        self._place: _Place | None = None
        self.unreadable = 0

    def changes(self, after: int, limit: int) -> list[Change]:
        """The messages numbered from `after` + 1 on, at most `limit`; None in place of one that repeats another, or
        that is no alert. Where retention has removed the first of them, what is left, from its own number on. Raises
        RetryableError where Kafka does not answer."""
        with self._lock:
            try:
                return self._changes(max(after, 0), limit)
            except BaseException:
                self._place = None
                raise

    def head(self) -> int:
        """The number of the newest message; returns once that is certain, after `hold_ms`."""
        with self._lock:
            newest = sum(self._bounds()[1].values())
        time.sleep(self._hold_ms / 1_000)
        return newest

    def close(self) -> None:
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()

    def _changes(self, after: int, limit: int) -> list[Change]:
        first, ends = self._bounds()
        if after >= sum(ends.values()) or limit <= 0:
            return []
        place = self._place
        if place is None or place.number != after or any(place.read[p] < first[p] for p in first):
            place = self._place = self._open(max(after, sum(first.values())), first, ends)
        youngest_ms = self._now_ns() // 1_000_000 - self._hold_ms
        found: list[Change] = []
        while len(found) < limit:
            self._fill(place, ends)
            heads = [held[0] for held in place.held.values() if held]
            if not heads or min(heads)[0] > youngest_ms:
                break
            _, partition, offset, alert = place.held[min(heads)[1]].popleft()
            place.number += 1
            place.next[partition] = offset + 1
            found.append((place.number, alert))
        return found

    def _open(self, after: int, first: Offsets, ends: Offsets) -> _Place:
        """Stand behind message `after`: find its millisecond, read a little before it, count off what is before."""
        begin = self._locate(after, first, ends)
        read = {p: max(first[p], offset - _LOOK_BACK) for p, offset in begin.items()}
        place = _Place(sum(begin.values()), dict(begin), read, {p: deque() for p in begin})
        with reported(f"reading {self._topic}"):
            self._client().assign([TopicPartition(self._topic, p, offset) for p, offset in read.items()])
        while place.number < after:
            self._fill(place, ends)
            heads = [held[0] for held in place.held.values() if held]
            if not heads:
                break
            partition = min(heads)[1]
            place.next[partition] = place.held[partition].popleft()[2] + 1
            place.number += 1
        return place

    def _locate(self, after: int, first: Offsets, ends: Offsets) -> Offsets:
        """The offsets at the start of the last millisecond before which at most `after` messages stand."""
        if after <= sum(first.values()):
            return dict(first)
        high, back = self._now_ns() // 1_000_000 + _SKEW_MS, _BACK_MS
        low, best = high - back, self._at(high - back, ends)
        while sum(best.values()) > after:  # most who resume were there a moment ago
            high, back = low, back * 8
            low, best = high - back, self._at(max(high - back, 0), ends)
        while high - low > 1:
            middle = (low + high) // 2
            at = self._at(middle, ends)
            if sum(at.values()) <= after:
                low, best = middle, at
            else:
                high = middle
        return best

    def _at(self, time_ms: int, ends: Offsets) -> Offsets:
        wanted = [TopicPartition(self._topic, p, time_ms) for p in ends]
        with reported(f"looking up times of {self._topic}"):
            found = self._client().offsets_for_times(wanted, self._settings.timeout_s)
        return {at.partition: at.offset if at.offset >= 0 else ends[at.partition] for at in found}

    def _fill(self, place: _Place, ends: Offsets) -> None:
        """Read until each partition has its next message in hand, or has none."""
        give_up = time.monotonic() + self._settings.timeout_s
        while any(not place.held[p] and place.read[p] < ends[p] for p in ends):
            with reported(f"reading {self._topic}"):
                first = self._client().poll(0.2)
                messages = [] if first is None else [first, *self._client().consume(_TAKE, 0.0)]
            for message in messages:
                self._take(place, message)
            if not messages and time.monotonic() > give_up:
                raise RetryableError(f"reading {self._topic}: nothing came, but the log goes on")

    def _take(self, place: _Place, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                raise as_ours(error, f"reading {self._topic}")
            return
        partition, offset = message.partition() or 0, message.offset() or 0
        alert = self._fresh(place, bytes(message.value() or b""))
        place.read[partition] = offset + 1
        if offset >= place.next[partition]:
            place.held[partition].append((message.timestamp()[1], partition, offset, alert))

    def _fresh(self, place: _Place, value: bytes) -> Alert | None:
        try:
            alert = _decoder.decode(value)
        except msgspec.MsgspecError:
            self.unreadable += 1  # the indexer makes a dead letter of it
            return None
        known = place.newest.pop(alert.alert_id, 0)
        place.newest[alert.alert_id] = max(known, alert.revision)
        if len(place.newest) > _KNOWN:
            del place.newest[next(iter(place.newest))]
        return alert if alert.revision > known else None

    def _bounds(self) -> tuple[Offsets, Offsets]:
        client = self._client()
        first, ends = {}, {}
        for p in range(self._partitions):
            first[p], ends[p] = ends_of(client, self._topic, p, self._settings.timeout_s)
        return first, ends

    def _client(self) -> Consumer:
        if self._consumer is None:
            topic = KafkaTopics(self._settings).find([self._topic]).get(self._topic)
            if topic is None:
                raise RetryableError(f"topic {self._topic} does not exist yet")
            self._partitions = topic.partitions
            with reported(self._topic):
                self._consumer = Consumer(self._settings.reader() | {"group.id": "tapewatch-reader"})
        return self._consumer
