"""A market of 64 symbols with planted anomalies, written to Kafka at a pace, and what one process finds in it."""

import threading
import time

from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import Plan, SimulatorConfig, market
from tapewatch.model.alerts import Alert
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine, make_pipeline, memory_sinks
from tapewatch.tape.kafka_feed import KafkaFeedWriter
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tests.faults.stack import PARTITIONS, Cluster, bare

SYMBOLS = 64


def feed(days: int, seed: int = 23) -> Feed:
    """About 66,000 ticks a day."""
    plan = Plan(rate=2.0, times=(2.0, 4.0), min_distance_min=90)
    return market(SimulatorConfig(seed=seed, stocks=SYMBOLS // 2, crypto=SYMBOLS // 2, days=days, plan=plan))


def expected(source: Feed) -> dict[str, Alert]:
    """Every revision that an uninterrupted run in one process gives."""
    found: list[Alert] = []
    pipeline = make_pipeline(source, build_engine(RulesSettings()), memory_sinks(), time.time_ns, found.extend)
    pipeline.run(source, 100_000)
    return {f"{a.alert_id}:{a.revision}": bare(a) for a in found}


class Producer(threading.Thread):
    """Writes a feed to the tape within so many seconds, evenly; `failed` is why it could not."""

    def __init__(self, cluster: Cluster, source: Feed, records: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._cluster, self._source = cluster, source
        self._rate = records / seconds
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.failed = error

    def _write(self) -> None:
        publisher = KafkaPublisher(self._cluster.settings)
        writer = KafkaFeedWriter(publisher, self._cluster.topic, PARTITIONS)
        began = time.monotonic()
        for written in writer.write(self._source.batches(0, max(1, int(self._rate / 4)))):
            time.sleep(max(0.0, began + written / self._rate - time.monotonic()))
        writer.flush()
        publisher.close()


def records(source: Feed) -> int:
    """How long the tape is, heartbeats once."""
    return sum(batch.end - batch.start for batch in source.batches(0))
