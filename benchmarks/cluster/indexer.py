"""The indexer beside a bare `helpers.bulk` of the same documents: `python -m benchmarks.cluster.indexer`.

Both write to real Elasticsearch; the indexer also reads the messages from a real Kafka, checks each, drops repeats,
folds incidents and commits. A run is one of each, in turns, on indices of its own; medians over the runs.
"""

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk
from prometheus_client import CollectorRegistry
from tests.factories import make_alerts, make_signal

from tapewatch.model.alerts import Alert
from tapewatch.model.signals import Signal
from tapewatch.runtime.cluster.servers import elasticsearch, kafka
from tapewatch.runtime.cluster.sinks.indexer import Indexer, SinkTopics
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.stores.elasticsearch import ElasticSettings, connect, ensure_indices, month_of
from tapewatch.stores.elasticsearch.indices import FOUND
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_names import key_of
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec


def bare(client: Elasticsearch, prefix: str, alerts: list[Alert], signals: list[Signal]) -> float:
    """Documents a second of `helpers.bulk`, from Python dictionaries, as its users have them."""
    ensure_indices(client, prefix, only=FOUND)
    documents: list[dict[str, Any]] = [
        {"_index": f"{prefix}signals-{month_of(s.ts_event_ns)}", "_id": s.signal_id, "_source": msgspec.to_builtins(s)}
        for s in signals
    ]
    documents += [{"_index": f"{prefix}alerts", "_id": a.alert_id, "_source": msgspec.to_builtins(a)} for a in alerts]
    began = time.perf_counter()
    bulk(client, documents, chunk_size=2_000)
    return len(documents) / (time.perf_counter() - began)


def ours(
    client: Elasticsearch, settings: KafkaSettings, prefix: str, alerts: list[Alert], signals: list[Signal]
) -> float:
    """Documents a second of the indexer, from the first message read to the last committed; incidents not counted."""
    topics = SinkTopics(f"{prefix}signals", f"{prefix}alerts", f"{prefix}dead")
    KafkaTopics(settings).ensure([TopicSpec(name, 2) for name in topics.all()])
    publisher = KafkaPublisher(settings)
    for topic, items in ((topics.signals, signals), (topics.alerts, alerts)):
        values = [msgspec.json.encode(item) for item in items]
        publisher.publish(topic, [key_of(item.symbol) for item in items], values)
    ensure_indices(client, prefix, only=FOUND)
    indexer = Indexer(client, publisher, CollectorRegistry(), topics=topics, prefix=prefix)
    loop, stop = SinkLoop(KafkaGroup(settings, topics.all(), f"{prefix}index"), indexer, 2_000), Event()
    thread = Thread(target=loop.run, args=(stop,))
    thread.start()
    while loop.group.counts.read == 0:
        time.sleep(0.001)
    began, total = time.perf_counter(), len(alerts) + len(signals)
    while indexer.writer.counts.written < total or loop.group.counts.read < total:
        time.sleep(0.005)
    took = time.perf_counter() - began
    stop.set()
    thread.join()
    publisher.close()
    return total / took


def runs(count: int, alerts: int, signals: int) -> Iterator[tuple[float, float]]:
    """Both figures of each run."""
    found = make_alerts(alerts, days=30.0)
    rest = [make_signal(k=k) for k in range(signals)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        with kafka.start(folder / "kafka") as broker, elasticsearch.start(folder / "es") as node:
            client = connect(ElasticSettings((node.address,)))
            for number in range(count + 1):
                names = [f"{uuid.uuid4().hex[:8]}-" for _ in range(2)]
                result = (
                    bare(client, names[0], found, rest),
                    ours(client, KafkaSettings(broker.address), names[1], found, rest),
                )
                if number:  # the first run warms the server up
                    yield result
                for index in client.indices.get(index=[f"{name}*" for name in names], features="aliases"):
                    client.indices.delete(index=index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--alerts", type=int, default=4_000)
    parser.add_argument("--signals", type=int, default=36_000)
    options = parser.parse_args()
    found = []
    for plain, whole in runs(options.runs, options.alerts, options.signals):
        found.append((plain, whole))
        print(f"helpers.bulk {plain:8,.0f}/s   indexer {whole:8,.0f}/s   {whole / plain:.2f}", flush=True)
    ratio = statistics.median(whole / plain for plain, whole in found)
    print(f"median ratio {ratio:.2f} (asked: at least 0.70)")


if __name__ == "__main__":
    main()
