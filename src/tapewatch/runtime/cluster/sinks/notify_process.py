"""The process of `tapewatch notify`."""

import logging
from collections.abc import Callable
from threading import Event

from prometheus_client import CollectorRegistry

from tapewatch.alerts.silences import Silence
from tapewatch.model.errors import GiveUpError, TapewatchError
from tapewatch.runtime.cluster.checks import redis_answers
from tapewatch.runtime.cluster.elastic import elastic_client
from tapewatch.runtime.cluster.ops import OpsServer, run_parts
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.runtime.cluster.sinks.notifier import Deliveries, NoticeSink
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.stores.elasticsearch import BulkWriter, ElasticCaseStore, Refused, ensure_indices
from tapewatch.stores.elasticsearch.indices import SILENCES
from tapewatch.stores.redis.client import connect
from tapewatch.tape.kafka_entrance import enter
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_names import ALERTS, GROUPS
from tapewatch.tape.kafka_topics import ALERTS_KEPT

_log = logging.getLogger(__name__)
GROUP = "tapewatch-notify"
_BATCH = 200
_LOOK_S = 5.0


class KnownSilences:
    """The silences that people set by the API, as of the last look: while Elasticsearch is down, those known then."""

    def __init__(self, cases: ElasticCaseStore, prepare: Callable[[], None]) -> None:
        """`prepare` makes the index of silences where nobody has yet: the notifier may be the first to ask for it."""
        self._cases, self._known = cases, tuple[Silence, ...]()
        self._prepare, self._told, self._prepared = prepare, False, False

    def __call__(self) -> tuple[Silence, ...]:
        return self._known

    def run(self, stop: Event) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            self.look()
            stop.wait(_LOOK_S)

    def look(self) -> None:
        """Look once."""
        try:
            if not self._prepared:
                self._prepare()
                self._prepared = True
            self._known = tuple(self._cases.silences())
            self._told = False
        except TapewatchError as error:  # whatever it is: people are told of alerts all the same
            if not self._told:
                _log.warning("silences are as of the last look: %s", error)
                self._told = True


def _refuse(refused: Refused) -> None:
    raise GiveUpError(f"Elasticsearch refuses {refused.id} of {refused.index}: {refused.reason}")


def run_notifier(settings: Settings, stop: Event | None = None, topic: str = ALERTS) -> None:
    """Notify until SIGTERM or SIGINT. Any number may run: they share the topic, and one of them sends."""
    registry, state = CollectorRegistry(), settings.state
    client = connect(state.address, cluster=state.cluster, timeout_s=state.timeout_s)
    kafka = kafka_settings(settings.kafka, "tapewatch-notify")
    enter(kafka)
    group = KafkaGroup(kafka, [topic, GROUPS], GROUP)
    elastic = elastic_client(settings.elasticsearch)
    wanted = settings.elasticsearch
    silences = KnownSilences(
        ElasticCaseStore(elastic, BulkWriter(elastic, _refuse), prefix=wanted.prefix),
        lambda: ensure_indices(
            elastic, wanted.prefix, replicas=wanted.replicas, refresh=wanted.refresh, only=(SILENCES,)
        ),
    )
    sink = NoticeSink(
        group,
        client,
        settings.notify,
        prefix=state.prefix,
        keep_days=settings.stores.record_days,
        remember_days=ALERTS_KEPT * settings.kafka.retention_days + 1,  # for as long as alerts can be read again
        silences=silences,
    )
    loop = SinkLoop(group, sink, _BATCH)
    registry.register(sink)
    registry.register(loop)
    deliveries = Deliveries(sink.notifier, client, state.prefix)
    try:
        with OpsServer(settings.ops, registry, loop.checks(kafka) | {"state": redis_answers(client)}):
            run_parts({"notices": loop.run, "deliveries": deliveries.run, "silences": silences.run}, stop)
    finally:
        client.close()
        elastic.close()
