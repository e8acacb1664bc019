"""From the topic of alerts to the people who must know: what happened to incidents is owed first, and then told."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Event
from typing import Any, TypeVar

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.exceptions import LockError

from tapewatch.alerts.incidents import event, fold
from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import RetryableError
from tapewatch.model.market import MarketFindings
from tapewatch.model.times import DAY_NS
from tapewatch.notify.channels import build_channels
from tapewatch.notify.context import Context
from tapewatch.notify.decide import Decider, Decision
from tapewatch.notify.notifier import Notifier
from tapewatch.notify.port import Channel, Notice
from tapewatch.notify.settings import NotifySettings, link_to, routes_of
from tapewatch.notify.targets import Targets
from tapewatch.runtime.cluster.sinks.group_news import GroupDesk
from tapewatch.runtime.tracing import follow, following
from tapewatch.stores.redis.client import Client, answering
from tapewatch.stores.redis.groups import RedisGroupStore
from tapewatch.stores.redis.notices import Place, RedisNoticeLedger, RedisNoticeMemory, Remembered
from tapewatch.tape.kafka_events import event_of, trace_of
from tapewatch.tape.kafka_group import KafkaGroup, Taken
from tapewatch.tape.kafka_names import GROUPS

_log = logging.getLogger(__name__)
_LEASE_S = 60.0  # longer than one pass over the ledger
_IDLE_S, _BUSY_S = 0.25, 2.0
_LOOK_EVERY_S = 1.0
_PRUNE_EVERY_S = 3_600.0
T = TypeVar("T")
_alert, _findings = msgspec.json.Decoder(Alert), msgspec.json.Decoder(MarketFindings)


class NoticeSink:
    """A `Sink` that owes notices. Where to read on stands with what was read, in Redis; Kafka's own offsets follow
    once nothing is owed any more, for the day on which Redis has lost everything."""

    def __init__(
        self,
        group: KafkaGroup,
        client: Client,
        settings: NotifySettings,
        *,
        prefix: str = "tapewatch",
        keep_days: float = 1_825,
        remember_days: float = 29,
        now: Callable[[], int] = time.time_ns,
        silences: Callable[[], Sequence[Silence]] = tuple,
        channels: Sequence[Channel] | None = None,
        groups_topic: str = GROUPS,
    ) -> None:
        """`silences` are those that people set, beside those of the settings; `channels` stand for the settings' own.
        InputError for routes to channels that there are none of."""
        self._group, self._now, self._link = group, now, settings.link
        self._keep_ns, self._remember_ns = int(keep_days * DAY_NS), int(min(remember_days, keep_days) * DAY_NS)
        self.ledger, self.memory = RedisNoticeLedger(client, prefix), RedisNoticeMemory(client, prefix)
        if channels is None:
            channels = build_channels(settings, Context(sys.stderr, Targets(settings.targets), now))
        fixed = tuple(s.silence() for s in settings.silences)
        routes = routes_of(settings, channels)
        self.groups = GroupDesk(RedisGroupStore(client, prefix, now), self.memory, settings, now)
        self._groups_topic = groups_topic
        decider = Decider(
            tuple(channels), routes, lambda: (*fixed, *silences()), self.memory.quality, self.groups.grouping
        )
        self.notifier = Notifier(decider, self.ledger, now=now, retry=settings.retry)
        self._saved: dict[Place, int] = {}
        self._uncommitted: dict[Place, int] = {}
        self._look_at = self._prune_at = 0.0
        self.unreadable = self.rewound = self.pruned = 0

    def write(self, messages: Sequence[Taken]) -> bool:
        """As the port says."""
        messages = self._in_place(messages)
        if not messages:
            return False
        self.groups.take(self._read([m for m in messages if m.topic == self._groups_topic], _findings))
        alerts = self._read([m for m in messages if m.topic != self._groups_topic], _alert)
        known = self.memory.incidents(list({alert.incident_id for alert in alerts}))
        notices: list[Notice] = []
        changed: dict[str, Remembered] = {}
        for alert in alerts:
            incident = changed.get(alert.incident_id) or known.get(alert.incident_id) or Remembered()
            before = incident.alerts.get(alert.alert_id)
            if before is not None and before.revision >= alert.revision:
                continue  # a repeat
            changed[alert.incident_id] = incident
            notices += self._news(incident, alert)
        quality = {alert.alert_id: alert for alert in alerts if alert.category == "data_quality"}
        ends = {(m.topic, m.partition): m.offset + 1 for m in messages}
        self.memory.save({}, list(quality.values()), {}, self._now())  # before deciding: an open one mutes others
        decisions = self.notifier.accept(notices)
        if following():
            _follow(messages, notices, decisions)
        self.memory.save(changed, [], ends, self._now())
        self._saved |= ends
        self._uncommitted |= ends
        return False

    def tend(self) -> None:
        """As the port says."""
        clock_s = time.monotonic()
        if clock_s >= self._look_at:
            self._look_at = clock_s + _LOOK_EVERY_S
            self.groups.tell(self.notifier)
            nothing_owed = self.ledger.pending() == 0 and not self.groups.store.news(1)
            if not self._rewind(self._owned(self._saved)) and nothing_owed:  # in this order: a loss shows in the second
                self._group.commit_at(self._owned(self._uncommitted))
                self._uncommitted = {}
        if clock_s >= self._prune_at:
            self._prune_at = clock_s + _PRUNE_EVERY_S
            self.pruned += self.ledger.prune(self._now() - self._keep_ns)
            self.pruned += self.memory.prune(self._now() - self._remember_ns) + self.groups.prune(self._remember_ns)

    def _in_place(self, messages: Sequence[Taken]) -> list[Taken]:
        """The messages without those ahead of where the stored place is: a server that fell back reads again."""
        first: dict[Place, int] = {}
        for message in messages:
            first.setdefault((message.topic, message.partition), message.offset)
        back = self._rewind(first)
        return [m for m in messages if (m.topic, m.partition) not in back]

    def _rewind(self, reached: Mapping[Place, int]) -> set[Place]:
        """Read again from where the stored places are, where those are behind what was reached; return which."""
        stored = self.memory.offsets(list(reached))
        back: dict[Place, int] = {}
        for place, offset in reached.items():
            if place in stored and stored[place] < offset:
                back[place] = stored[place]
            elif place not in stored and place in self._saved:  # all is lost there: from what Kafka knows
                back[place] = self._group.committed(place)
        if back:
            self.rewound += len(back)
            _log.warning("the state's Redis came back older than it was: reading again", extra={"from": str(back)})
            self._group.seek(back)
        for place in back:
            self._saved.pop(place, None)
            self._uncommitted.pop(place, None)
        return set(back)

    def _owned(self, places: Mapping[Place, int]) -> dict[Place, int]:
        assigned = set(self._group.assigned)
        return {place: at for place, at in places.items() if place in assigned}

    def _read(self, messages: Sequence[Taken], decoder: msgspec.json.Decoder[T]) -> list[T]:
        found = []
        for message in messages:
            try:
                found.append(decoder.decode(message.value))
            except msgspec.MsgspecError as error:
                self.unreadable += 1  # the indexer makes a dead letter of it
                _log.error("message %d of %s cannot be read: %s", message.offset, message.topic, error)
        return found

    def _news(self, incident: Remembered, alert: Alert) -> Iterable[Notice]:
        incident.alerts[alert.alert_id] = alert
        after = fold(list(incident.alerts.values()))
        what = event(incident.told, after)
        if what is None:
            return []
        incident.told = after
        link = link_to(self._link, after.incident_id, alert.alert_id)
        return [self.groups.told(Notice(event=what, incident=after, alert=alert, link=link))]

    def collect(self) -> Iterable[Metric]:
        """As a Prometheus collector."""
        notices = CounterMetricFamily(
            "tapewatch_notices", "Notices by what became of them.", labels=["what", "channel", "why"]
        )
        for key, count in self.notifier.counts.snapshot().items():
            notices.add_metric([*key, *[""] * (3 - len(key))], count)
        yield notices
        events = CounterMetricFamily("tapewatch_notifier_events", "What the notifier met.", labels=["what"])
        for name in ("unreadable", "rewound", "pruned"):
            events.add_metric([name], getattr(self, name))
        events.add_metric(["groups_without_members"], self.groups.alone)
        yield events
        waiting = GaugeMetricFamily("tapewatch_notices_pending", "Notices that are owed.")
        try:
            waiting.add_metric([], self.ledger.pending())
        except RetryableError:
            _log.debug("the ledger does not answer a scrape")  # the family is absent then, and readiness says why
        yield waiting


def _follow(messages: Sequence[Taken], notices: Sequence[Notice], decisions: Sequence[Decision]) -> None:
    """Tell those who follow an alert what was decided of it. Who gets it is in the ledger, by the same event."""
    traces = {event_of(message.headers): trace_of(message.headers) for message in messages}
    for notice, decision in zip(notices, decisions, strict=True):
        event = f"{notice.alert.alert_id}:{notice.alert.revision}"
        follow(traces.get(event, ""), "notice decided", event=event, suppressed=decision.why or "no")


class Deliveries:
    """Sends what is owed, in one process at a time: a lease in Redis says in which."""

    def __init__(self, notifier: Notifier, client: Client, prefix: str, now: Callable[[], int] = time.time_ns) -> None:
        self._notifier, self._now = notifier, now
        redis: Any = client  # its types leave open whether it is asynchronous
        self._lease = redis.lock(f"{prefix}:{{notices}}:lease", timeout=_LEASE_S, thread_local=False)

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set."""
        while not stop.is_set():
            wait_s = _IDLE_S
            try:
                if self._mine() and self._notifier.deliver_due(self._now(), stop):
                    continue
            except RetryableError as error:
                self._notifier.counts.add("ledger_busy")
                _log.warning("the ledger of notices does not answer: %s", error)
                wait_s = _BUSY_S
            stop.wait(wait_s)
        self._notifier.finish()
        try:
            with answering():
                self._lease.release()
        except (LockError, RetryableError):
            _log.debug("the lease of notices was not ours, or ends by itself")

    def _mine(self) -> bool:
        with answering():
            if self._lease.local.token is not None:
                try:
                    return bool(self._lease.reacquire())
                except LockError:
                    self._lease.local.token = None
            return bool(self._lease.acquire(blocking=False))
