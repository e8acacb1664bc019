"""The process of `tapewatch notify`."""

from threading import Event

from prometheus_client import CollectorRegistry

from tapewatch.runtime.cluster.ops import OpsServer, run_parts
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.runtime.cluster.sinks.notifier import Deliveries, NoticeSink
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.stores.redis.client import connect
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_names import ALERTS

GROUP = "tapewatch-notify"
_BATCH = 200


def run_notifier(settings: Settings, stop: Event | None = None, topic: str = ALERTS) -> None:
    """Notify until SIGTERM or SIGINT. Any number may run: they share the topic, and one of them sends."""
    registry, state = CollectorRegistry(), settings.state
    client = connect(state.address, cluster=state.cluster, timeout_s=state.timeout_s)
    group = KafkaGroup(kafka_settings(settings.kafka, "tapewatch-notify"), [topic], GROUP)
    sink = NoticeSink(group, client, settings.notify, prefix=state.prefix, keep_days=settings.stores.record_days)
    loop = SinkLoop(group, sink, _BATCH)
    registry.register(sink)
    registry.register(loop)
    deliveries = Deliveries(sink.notifier, client, state.prefix)
    try:
        with OpsServer(settings.ops, registry, {"state": loop.check, "kafka": loop.check_group}):
            run_parts({"notices": loop.run, "deliveries": deliveries.run}, stop)
    finally:
        client.close()
