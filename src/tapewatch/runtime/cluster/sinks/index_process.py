"""The process of `tapewatch index`."""

from threading import Event

from prometheus_client import CollectorRegistry

from tapewatch.runtime.cluster.checks import elasticsearch_answers
from tapewatch.runtime.cluster.elastic import elastic_client
from tapewatch.runtime.cluster.ops import OpsServer, run_parts
from tapewatch.runtime.cluster.sinks.indexer import Indexer, SinkTopics
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.tape.kafka_entrance import enter
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_publisher import KafkaPublisher


def run_indexer(settings: Settings, stop: Event | None = None) -> None:
    """Index until SIGTERM or SIGINT. Raises what no repetition will change, e.g. refused credentials (InputError)."""
    registry, wanted, elastic = CollectorRegistry(), settings.indexer, settings.elasticsearch
    kafka = kafka_settings(settings.kafka, "tapewatch-index")
    enter(kafka)
    client, publisher = elastic_client(elastic), KafkaPublisher(kafka)
    keep = {"signals": wanted.signal_days, "ticks": wanted.tick_days}
    indexer = Indexer(
        client,
        publisher,
        registry,
        prefix=elastic.prefix,
        replicas=elastic.replicas,
        refresh=elastic.refresh,
        keep_days={family: days for family, days in keep.items() if days is not None},
    )
    loop = SinkLoop(KafkaGroup(kafka, SinkTopics().all(), wanted.group), indexer, wanted.batch)
    registry.register(indexer)
    registry.register(loop)
    checks = loop.checks(kafka) | {"elasticsearch": elasticsearch_answers(client)}
    try:
        with OpsServer(settings.ops, registry, checks):
            run_parts({"index": loop.run}, stop)
    finally:
        publisher.close()
        client.close()
