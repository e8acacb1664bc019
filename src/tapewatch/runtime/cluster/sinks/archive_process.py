"""The process of `tapewatch archive`."""

from functools import partial
from threading import Event

from prometheus_client import CollectorRegistry

from tapewatch.model.errors import GiveUpError
from tapewatch.runtime.cluster.elastic import elastic_client
from tapewatch.runtime.cluster.ops import OpsServer, run_parts
from tapewatch.runtime.cluster.sinks.archive import Archiver
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.runtime.cluster.sources import tell_of_unread
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.stores.elasticsearch import BulkWriter, ElasticTickWriter, Refused, ensure_indices
from tapewatch.stores.elasticsearch.indices import TICKS
from tapewatch.tape.kafka_entrance import enter
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_topics import KafkaTopics

_BATCH = 20_000


def run_archiver(settings: Settings, stop: Event | None = None) -> None:
    """Archive until SIGTERM or SIGINT; what was read by then is in files. Several share the partitions."""
    registry, section, elastic = CollectorRegistry(), settings.archive, settings.elasticsearch
    client = elastic_client(elastic)
    ticks = None
    if section.elasticsearch:
        make = partial(
            ensure_indices,
            client,
            elastic.prefix,
            replicas=elastic.replicas,
            refresh=elastic.refresh,
            only=(TICKS,),
        )
        ticks = ElasticTickWriter(BulkWriter(client, _refuse), make, prefix=elastic.prefix)
    kafka = kafka_settings(settings.kafka, "tapewatch-archive")
    enter(kafka)
    tell_of_unread(settings)
    group = KafkaGroup(kafka, settings.kafka.topics, section.group)
    archiver = Archiver(group, section, settings.bridge, KafkaTopics(kafka).id_of, ticks)
    loop = SinkLoop(group, archiver, _BATCH)
    registry.register(archiver)
    registry.register(loop)
    try:
        with OpsServer(settings.ops, registry, loop.checks(kafka)):
            run_parts({"archive": loop.run}, stop)
    finally:
        archiver.close()
        client.close()


def _refuse(refused: Refused) -> None:
    raise GiveUpError(f"Elasticsearch refuses tick {refused.id} of {refused.index}: {refused.reason}")
