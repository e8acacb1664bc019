"""From the topics of signals, alerts, groups and dead letters into Elasticsearch: every alert is one document, by its
id, with its revision as the version; a repeat changes nothing."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from elasticsearch import Elasticsearch
from prometheus_client import Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import CollectorRegistry

from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.market import MarketFindings
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import DeadLetter
from tapewatch.runtime.tracing import follow, following, traced
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticAlertStore,
    ElasticDeadLetterStore,
    ElasticGroupStore,
    Refused,
    ensure_indices,
    remove_old_months,
)
from tapewatch.stores.elasticsearch.groups import minute_id
from tapewatch.stores.elasticsearch.indices import FOUND
from tapewatch.tape.kafka_dead import DeadMessage, dead_message, write_dead
from tapewatch.tape.kafka_events import event_of, trace_of
from tapewatch.tape.kafka_group import Taken
from tapewatch.tape.kafka_names import ALERTS, DEAD_LETTERS, GROUPS, SIGNALS
from tapewatch.tape.kafka_publisher import KafkaPublisher

T = TypeVar("T")
_log = logging.getLogger(__name__)
SOURCE = "/tapewatch/index"
_RAW_BYTES = 1_000
_RETAIN_EVERY_S = 3_600.0
_DELAYS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3_600.0)
_alert, _signal = msgspec.json.Decoder(Alert), msgspec.json.Decoder(Signal)
_findings = msgspec.json.Decoder(MarketFindings)


@dataclass(frozen=True, slots=True)
class SinkTopics:
    """The names of the topics that sinks read."""

    signals: str = SIGNALS
    alerts: str = ALERTS
    dead_letters: str = DEAD_LETTERS
    groups: str = GROUPS

    def all(self) -> tuple[str, str, str, str]:
        return self.signals, self.alerts, self.dead_letters, self.groups


class Indexer:
    """A `Sink` on Elasticsearch. What can never be indexed becomes a dead letter, as it stood on its topic."""

    def __init__(
        self,
        client: Elasticsearch,
        publisher: KafkaPublisher,
        registry: CollectorRegistry,
        *,
        topics: SinkTopics = SinkTopics(),
        prefix: str = "",
        replicas: int = 0,
        refresh: str = "1s",
        keep_days: Mapping[str, float] | None = None,
        now: Callable[[], int] = time.time_ns,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keep_days` as `remove_old_months` takes it. Nothing is asked of Elasticsearch yet: it may be down."""
        self._client, self._publisher, self._prefix = client, publisher, prefix
        self._topics = topics
        self._replicas, self._refresh_interval = replicas, refresh
        self._keep, self._now, self._clock_s = dict(keep_days or {}), now, clock_s
        self.writer = BulkWriter(client, self._bury)
        self._alerts = ElasticAlertStore(client, self.writer, prefix=prefix)
        self._groups = ElasticGroupStore(client, self.writer, prefix=prefix)
        self._dead = ElasticDeadLetterStore(client, self.writer, prefix=prefix)
        self._made, self._retain_at = False, 0.0
        self._places: dict[str, Taken] = {}
        self._lost: list[tuple[Taken, str]] = []
        self.group_revisions = 0
        self.revisions = self.unreadable = self.removed_indices = 0
        self._delay = Histogram(
            "tapewatch_index_delay_seconds",
            "From the append to a topic of alerts to the document.",
            registry=registry,
            buckets=_DELAYS_S,
        )

    def write(self, messages: Sequence[Taken]) -> bool:
        """As the port says."""
        self._make_indices()
        self._places, self._lost = {}, []
        signals = self._read(messages, self._topics.signals, _signal, lambda signal: (signal.signal_id,))
        alerts = self._read(messages, self._topics.alerts, _alert, lambda alert: (alert.alert_id, alert.incident_id))
        self._index_groups(
            self._read(messages, self._topics.groups, _findings, _ids_in)
        )  # who reads alerts asks for them
        newest: dict[str, Alert] = {}
        for alert in alerts:  # only the newest revision of a batch stays in the document: the others need no write
            if alert.alert_id not in newest or alert.revision > newest[alert.alert_id].revision:
                newest[alert.alert_id] = alert
        self.revisions += len(self._alerts.upsert(list(newest.values()), signals))
        self._index_dead([m for m in messages if m.topic == self._topics.dead_letters])
        self._publish_lost()
        if following():
            for message in messages:
                follow(trace_of(message.headers), "indexed", topic=message.topic, event=event_of(message.headers))
        now_s = self._now() / 1e9
        for message in messages:
            if message.topic == self._topics.alerts:
                self._delay.observe(max(0.0, now_s - message.message.timestamp()[1] / 1e3))
        return True

    def tend(self) -> None:
        """As the port says: once an hour, old months go."""
        if not self._keep or self._clock_s() < self._retain_at:
            return
        removed = remove_old_months(self._client, self._now(), self._keep, self._prefix)
        self._retain_at = self._clock_s() + _RETAIN_EVERY_S
        self.removed_indices += len(removed)
        if removed:
            _log.info("retention removed indices", extra={"indices": removed})

    def collect(self) -> Iterable[Metric]:
        """As a Prometheus collector."""
        documents = CounterMetricFamily(
            "tapewatch_index_documents", "Documents by what became of them.", labels=["fate"]
        )
        counts = self.writer.counts
        for name in ("written", "conflict", "refused", "retried"):
            documents.add_metric([name], getattr(counts, name))
        documents.add_metric(["unreadable"], self.unreadable)
        yield documents
        yield CounterMetricFamily(
            "tapewatch_index_alerts", "Alerts whose document this process made newer.", value=self.revisions
        )
        yield CounterMetricFamily(
            "tapewatch_index_groups", "Groups whose document this process made newer.", value=self.group_revisions
        )
        yield CounterMetricFamily(
            "tapewatch_index_removed_indices", "Indices that retention removed.", value=self.removed_indices
        )

    def _make_indices(self) -> None:
        if not self._made:
            ensure_indices(
                self._client, self._prefix, replicas=self._replicas, refresh=self._refresh_interval, only=FOUND
            )
            self._made = True

    def _read(
        self,
        messages: Sequence[Taken],
        topic: str,
        decoder: msgspec.json.Decoder[T],
        ids_of: Callable[[T], tuple[str, ...]],
    ) -> list[T]:
        found = []
        for message in messages:
            if message.topic == topic:
                try:
                    item = decoder.decode(message.value)
                except msgspec.MsgspecError as error:
                    self.unreadable += 1
                    self._lost.append((message, f"not what topic {topic} carries: {error}"))
                    continue
                for name in ids_of(item):
                    self._places[name] = message
                found.append(item)
        return found

    def _index_groups(self, found: Sequence[MarketFindings]) -> None:
        """The newest revision of each group, and all minutes."""
        every = [group for findings in found for group in findings.groups]
        groups = {group.group_id: group for group in sorted(every, key=lambda group: group.revision)}
        minutes = [minute for findings in found for minute in findings.minutes]
        self.group_revisions += len(self._groups.put(MarketFindings(list(groups.values()), minutes)))

    def _bury(self, refused: Refused) -> None:
        """Called by the writer in the middle of a batch: kept until the batch is in, then published."""
        message = self._places.get(refused.id)
        if message is None:  # a dead letter itself: it stays on its topic, where it can be read
            _log.error("Elasticsearch refuses %s of %s: %s", refused.id, refused.index, refused.reason)
            return
        self._lost.append((message, f"Elasticsearch refuses it in {refused.index}: {refused.reason}"))

    def _publish_lost(self) -> None:
        letters = {}
        for message, reason in self._lost:
            place = message.topic, message.partition, message.offset
            letters[place] = DeadMessage(
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                reason=reason,
                original=message.value,
                key=message.key,
            )
            with traced(trace_of(message.headers)):
                _log.error("a message cannot be indexed", extra={"place": place, "reason": reason})
        if letters:
            write_dead(self._publisher, list(letters.values()), SOURCE, self._topics.dead_letters)

    def _index_dead(self, messages: Sequence[Taken]) -> None:
        letters = []
        for message in messages:
            try:
                letters.append(dead_message(message.message))
            except InputError as error:
                self.unreadable += 1
                _log.error("%s", error)
        if letters:
            self._dead.add_numbered([(letter.number + 1, _shown(letter)) for letter in letters])


def _ids_in(found: MarketFindings) -> tuple[str, ...]:
    """The documents that it becomes."""
    return (*(group.group_id for group in found.groups), *map(minute_id, found.minutes))


def _shown(letter: DeadMessage) -> DeadLetter:
    raw = letter.original[:_RAW_BYTES].decode(errors="replace")
    source = f"{letter.topic}/{letter.partition}"
    return DeadLetter(source=source, position=letter.offset, offset=letter.offset, reason=letter.reason, raw=raw)
