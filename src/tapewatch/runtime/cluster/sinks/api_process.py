"""The process of `tapewatch api`: the routes of the embedded server, over Elasticsearch, Kafka and the archive.

It starts and stays up whatever is down: each request says what it could not reach, and `/readyz` says so of all.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily

from tapewatch.model.errors import GiveUpError
from tapewatch.reports.port import ReportRequest
from tapewatch.runtime.cluster.checks import elasticsearch_answers, redis_answers
from tapewatch.runtime.cluster.elastic import elastic_client
from tapewatch.runtime.cluster.sinks.archive import archived_bars
from tapewatch.runtime.cluster.sinks.health import HealthProbe
from tapewatch.runtime.config.detect import StateSection
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.embedded import load_facts
from tapewatch.runtime.holding import listen
from tapewatch.runtime.known_names import known_names
from tapewatch.runtime.report_service import Reports
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticAlertStore,
    ElasticCaseStore,
    ElasticDeadLetterStore,
    ElasticGroupStore,
    ElasticTaskStore,
    Refused,
    Retries,
    ensure_indices,
)
from tapewatch.stores.elasticsearch.indices import DONE
from tapewatch.stores.port import NoticeRecord, ReportTask
from tapewatch.stores.redis.client import Client
from tapewatch.stores.redis.client import connect as redis_connect
from tapewatch.stores.redis.notices import RedisNoticeLedger
from tapewatch.tape.kafka_changes import KafkaChanges
from tapewatch.tape.kafka_names import ALERTS
from tapewatch.tape.kafka_topics import KafkaTopics
from tapewatch.web.api.app import create_app
from tapewatch.web.api.deps import ApiDeps
from tapewatch.web.api.server import ApiServer

_log = logging.getLogger(__name__)
PATIENCE_S = 10.0  # of a request with a server that does not answer
ANSWER_S = 3.0
_BUSY = 4  # tries of a write while Elasticsearch is busy
Nudge = Callable[[], None]
"""Tells the workers of reports that there is one; may raise, for they look by themselves too."""


class QueuedReports(Reports):
    """Reports whose tasks others work off."""

    def __init__(self, *args: Any, nudge: Nudge) -> None:
        super().__init__(*args)
        self._nudge = nudge

    def submit(self, request: ReportRequest, recipient_email: str) -> ReportTask:
        """As the API's port says. It is queued once it is in the store."""
        task = super().submit(request, recipient_email)
        try:
            self._nudge()
        except Exception as error:  # noqa: BLE001 - the task is stored; workers find it at their next look
            _log.warning("the queue of reports does not answer: %s", error)
        return task


class StateOfNotices:
    """Who was told of an alert, from the ledger in the state's Redis. That may be away, and the client of a Redis
    Cluster connects when it is made: so it is made when it is asked."""

    def __init__(self, section: StateSection) -> None:
        self._section, self._lock = section, threading.Lock()
        self._client: Client | None = None

    def notices(self, subject: str, limit: int) -> list[NoticeRecord]:
        """As the port `NoticeReader` says; RetryableError where Redis does not answer."""
        return RedisNoticeLedger(self._connect(), self._section.prefix).notices(subject, limit)

    def check(self) -> str | None:
        """For `/readyz`."""
        return redis_answers(self._connect())()

    def _connect(self) -> Client:
        with self._lock:
            if self._client is None:
                at = self._section
                self._client = redis_connect(at.address, cluster=at.cluster, timeout_s=ANSWER_S)
            return self._client


class ClusterApi:
    """`run` blocks until SIGTERM or SIGINT."""

    def __init__(
        self,
        settings: Settings,
        *,
        nudge: Nudge,
        alerts_topic: str = ALERTS,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """Listens; asks no server anything yet."""
        self._settings, self._now = settings, now
        elastic = settings.elasticsearch
        patient = msgspec.structs.replace(elastic, timeout_s=min(elastic.timeout_s, PATIENCE_S))
        self._client = elastic_client(patient)
        self._kafka = kafka_settings(settings.kafka, "tapewatch-api")
        self._topics = KafkaTopics(self._kafka)
        self._queue = redis_connect(settings.queue.address, timeout_s=ANSWER_S)
        self._state = StateOfNotices(settings.state)
        self._changes = KafkaChanges(self._kafka, alerts_topic, now_ns=now)
        self._made = False
        writer = BulkWriter(self._client, _refuse, Retries(times=_BUSY))
        prefix = elastic.prefix
        self._alerts = ElasticAlertStore(self._client, writer, prefix=prefix, changes=self._changes.changes)
        self._cases = ElasticCaseStore(self._client, writer, prefix=prefix)
        self._dead = ElasticDeadLetterStore(self._client, writer, prefix=prefix)
        self._groups = ElasticGroupStore(self._client, writer, prefix=prefix)
        self._bars = archived_bars(settings.archive, self._client, prefix)
        facts = load_facts(settings.rules.instruments)
        source = StoreReportSource(self._alerts, self._cases, self._bars, groups=self._groups, facts=facts)
        tasks = ElasticTaskStore(self._client, writer, prefix=prefix)
        self._reports = QueuedReports(tasks, source, settings.reports, now, nudge=nudge)
        self._probe = HealthProbe(
            {
                "elasticsearch": self._look_at_elastic,
                "kafka": self._topics.check,
                "queue": redis_answers(self._queue),
                "state": self._state.check,
            }
        )
        self.app = create_app(self._deps())
        self.api = ApiServer(self.app, settings.api)
        self._listener = listen(settings.api.host, settings.api.port)

    @property
    def address(self) -> str:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self) -> None:
        """Serve until stopped."""
        stop = threading.Event()
        for name in self._probe.checks():
            threading.Thread(target=self._probe.run, args=(name, stop), name=f"look-{name}", daemon=True).start()
        try:
            self.api.run(sockets=[self._listener])
        finally:
            stop.set()
            self._changes.close()
            self._client.close()

    def stop(self) -> None:
        """End `run`, from any thread."""
        self.api.should_exit = True

    def _deps(self) -> ApiDeps:
        registry = CollectorRegistry()
        registry.register(_Collector(self))
        return ApiDeps(
            alerts=self._alerts,
            cases=self._cases,
            groups=self._groups,
            history=self._bars,
            dead_letters=self._dead,
            notices=self._state,
            chart=self._reports.chart,
            fixed_silences=tuple(s.silence() for s in self._settings.notify.silences),
            reports=self._reports,
            status=self._status,
            now=self._now,
            settings=self._settings.api,
            names=known_names(self._settings.rules),
            readiness=self._probe.checks(),
            optional=frozenset({"kafka", "queue", "state"}),
            newest_change=self._changes.head,
            registry=registry,
        )

    def _status(self) -> Mapping[str, Any]:
        failing = {name: why for name, check in self._probe.checks().items() if (why := check()) is not None}
        return {"mode": "cluster", "degraded": failing}

    def _look_at_elastic(self) -> None:
        elasticsearch_answers(self._client)()
        if not self._made:
            wanted = self._settings.elasticsearch
            ensure_indices(self._client, wanted.prefix, replicas=wanted.replicas, refresh=wanted.refresh, only=DONE)
            self._made = True

    def unreadable(self) -> int:
        """Messages of the topic of alerts that were none, so far."""
        return self._changes.unreadable


class _Collector:
    def __init__(self, api: ClusterApi) -> None:
        self._api = api

    def collect(self) -> list[CounterMetricFamily]:
        """As a Prometheus collector."""
        what = "Messages of the topic of alerts that the event stream could not read."
        return [CounterMetricFamily("tapewatch_stream_unreadable", what, value=self._api.unreadable())]


def _refuse(refused: Refused) -> None:
    raise GiveUpError(f"Elasticsearch refuses {refused.id} of {refused.index}: {refused.reason}")
