"""The indexer between a real Kafka and a real Elasticsearch, with faults between them."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition
from elasticsearch import Elasticsearch
from prometheus_client import CollectorRegistry

from tapewatch.alerts.groups import follow_group, open_group
from tapewatch.model.alerts import Alert
from tapewatch.model.market import MarketFindings, MarketMinute, Past
from tapewatch.model.signals import Signal
from tapewatch.model.times import MINUTE_NS
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.sinks.indexer import Indexer, SinkTopics
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticAlertStore,
    ElasticDeadLetterStore,
    ElasticGroupStore,
    ElasticSettings,
    connect,
)
from tapewatch.stores.port import AlertQuery, GroupQuery
from tapewatch.tape.kafka_dead import read_dead
from tapewatch.tape.kafka_events import event_headers
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_names import key_of
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec
from tests.factories import make_alert, make_alerts, make_signal
from tests.integration.cluster.faulty import FaultyElastic

pytestmark = pytest.mark.cluster
PATIENCE_S = 60.0


@dataclass
class Desk:
    """Topics and indices of one test's own."""

    kafka: KafkaSettings
    topics: SinkTopics
    prefix: str
    client: Elasticsearch
    publisher: KafkaPublisher

    def publish(self, alerts: Sequence[Alert] = (), signals: Sequence[Signal] = ()) -> None:
        for topic, kind, items in ((self.topics.alerts, "alert", alerts), (self.topics.signals, "signal", signals)):
            values = [msgspec.json.encode(item) for item in items]
            headers = [event_headers(kind, value, "/test") for value in values]  # type: ignore[arg-type] # a literal
            self.publisher.publish(topic, [key_of(item.symbol) for item in items], values, headers)

    @property
    def store(self) -> ElasticAlertStore:
        return ElasticAlertStore(self.client, BulkWriter(self.client, lambda _: None), prefix=self.prefix)

    @contextmanager
    def indexing(self, url: str, limit: int = 500) -> Iterator[tuple[Indexer, SinkLoop]]:
        client = connect(ElasticSettings((url,), timeout_s=5))
        indexer = Indexer(
            client, self.publisher, CollectorRegistry(), topics=self.topics, prefix=self.prefix, refresh="100ms"
        )
        loop = SinkLoop(KafkaGroup(self.kafka, self.topics.all(), f"{self.prefix}index"), indexer, limit)
        stop, failed = Event(), list[BaseException]()

        def run() -> None:
            try:
                loop.run(stop)
            except BaseException as error:  # noqa: BLE001 - raised by the test
                failed.append(error)

        thread = Thread(target=run)
        thread.start()
        try:
            yield indexer, loop
        finally:
            stop.set()
            thread.join()
            client.close()
        if failed:
            raise failed[0]

    def indexed(self) -> dict[str, Alert]:
        return {a.alert_id: a for a in self.store.page(AlertQuery(limit=50_000))}


@pytest.fixture
def desk(kafka_server: Running, elasticsearch_server: Running) -> Iterator[Desk]:
    name = uuid.uuid4().hex[:10]
    kafka = KafkaSettings(kafka_server.address)
    topics = SinkTopics(f"{name}-signals", f"{name}-alerts", f"{name}-dead", f"{name}-groups")
    specs = [TopicSpec(name, 2) for name in (topics.signals, topics.alerts)]
    KafkaTopics(kafka).ensure([*specs, TopicSpec(topics.dead_letters, 1), TopicSpec(topics.groups, 1)])
    client = connect(ElasticSettings((elasticsearch_server.address,)))
    publisher = KafkaPublisher(kafka, linger_ms=1)
    yield Desk(kafka, topics, f"{name}-", client, publisher)
    publisher.close()
    for index in client.indices.get(index=f"{name}-*", features="aliases"):
        client.indices.delete(index=index)
    client.close()


def eventually(what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.05)


def committed(desk: Desk) -> bool:
    """Whether the group has committed everything that stands on its topics."""
    consumer = Consumer(desk.kafka.common() | {"group.id": f"{desk.prefix}index"})
    try:
        places = [TopicPartition(t, p) for t in (desk.topics.signals, desk.topics.alerts) for p in (0, 1)]
        ends = [consumer.get_watermark_offsets(place, 5)[1] for place in places]
        return [max(place.offset, 0) for place in consumer.committed(places, 5)] == ends
    finally:
        consumer.close()


def test_an_index_that_takes_nothing_holds_the_documents_and_makes_no_dead_letters(
    desk: Desk, elasticsearch_server: Running
) -> None:
    alerts = make_alerts(300)
    with desk.indexing(elasticsearch_server.address, limit=100) as (indexer, loop):
        desk.publish(alerts[:100])
        eventually(lambda: committed(desk) and len(desk.indexed()) == 100)
        desk.client.indices.add_block(index=f"{desk.prefix}alerts", block="write")  # as a full disk does: 403
        desk.publish(alerts[100:])
        eventually(lambda: loop.retries >= 3)
        assert loop.group.counts.read <= 200
        desk.client.indices.put_settings(index=f"{desk.prefix}alerts", settings={"index.blocks.write": None})
        eventually(lambda: committed(desk) and len(desk.indexed()) == 300)
        assert indexer.writer.counts.refused == 0
    assert list(read_dead(desk.kafka, topic=desk.topics.dead_letters)) == []


def test_groups_and_minutes_of_markets_are_found_once_and_what_is_none_is_a_dead_letter(
    desk: Desk, elasticsearch_server: Running
) -> None:
    past = [Past("binance", f"C{i}/USDT", False, 1, -6_000_000, -60_000) for i in range(4)]
    minutes = [MarketMinute("binance:USDT", n * MINUTE_NS, 4, 0, 4, 0, 4, 4, -24, 144, -240_000, past) for n in (1, 2)]
    opened = open_group(minutes[0])
    assert opened is not None
    later = follow_group(opened, minutes[1])
    found = [MarketFindings([opened], [minutes[0]]), MarketFindings([later], [minutes[1]])]
    values = [msgspec.json.encode(f) for f in [*found, found[0]]]
    desk.publisher.publish(desk.topics.groups, [b"*"] * 4, [*values, b'{"groups": 7}'])
    with desk.indexing(elasticsearch_server.address, limit=2) as (indexer, _):
        store = ElasticGroupStore(desk.client, BulkWriter(desk.client, lambda _: None), prefix=desk.prefix)
        eventually(lambda: indexer.unreadable == 1 and len(store.minutes("binance:USDT", 0, 10 * MINUTE_NS)) == 2)
        eventually(lambda: store.groups(GroupQuery()) == [later])
        assert store.minutes("binance:USDT", 0, 10 * MINUTE_NS) == minutes
    (letter,) = read_dead(desk.kafka, topic=desk.topics.dead_letters)
    assert letter.original == b'{"groups": 7}'


def test_each_alert_is_one_document_of_its_newest_revision_whatever_repeats(
    desk: Desk, elasticsearch_server: Running
) -> None:
    alerts, signals = make_alerts(300), [make_signal(k=k) for k in range(200)]
    newer = [
        msgspec.structs.replace(a, revision=a.revision + 1, change="resolved", state="resolved") for a in alerts[:100]
    ]
    desk.publish(alerts, signals)
    desk.publish(newer)
    desk.publish(alerts[:150], signals[:50])  # what a relay that died sends again
    with desk.indexing(elasticsearch_server.address) as (indexer, loop):
        eventually(lambda: loop.group.counts.read == 800 and committed(desk))
        eventually(lambda: len(desk.indexed()) == 300)
    assert {k: a.revision for k, a in desk.indexed().items()} == {
        a.alert_id: a.revision + (i < 100) for i, a in enumerate(alerts)
    }
    assert len(desk.store.signals(AlertQuery(limit=1000))) == 200
    assert {i for x in desk.store.incidents(AlertQuery(limit=1000)) for i in x.alerts} == {a.alert_id for a in alerts}
    assert indexer.writer.counts.refused == 0


def test_what_elasticsearch_never_takes_is_a_dead_letter_with_its_place_and_bytes_and_holds_nothing_up(
    desk: Desk, elasticsearch_server: Running
) -> None:
    good, poisoned = make_alert(symbol="GOOD"), make_alert(symbol="BAD", onset_k=2**40)  # not an integer of 32 bits
    broken = b'{"alert_id": 7}'
    desk.publish([poisoned, good])
    desk.publisher.publish(desk.topics.alerts, [b"BROKEN"], [broken])
    with desk.indexing(elasticsearch_server.address):
        eventually(lambda: len(list(read_dead(desk.kafka, topic=desk.topics.dead_letters))) >= 2)
        dead = ElasticDeadLetterStore(desk.client, BulkWriter(desk.client, lambda _: None), prefix=desk.prefix)
        eventually(lambda: len(dead.dead_letters(0, 10)) == 2)
        eventually(lambda: committed(desk))
    letters = {x.original: x for x in read_dead(desk.kafka, topic=desk.topics.dead_letters)}
    assert set(letters) == {broken, msgspec.json.encode(poisoned)}
    assert "onset_k" in letters[msgspec.json.encode(poisoned)].reason
    assert letters[broken].topic == desk.topics.alerts
    assert letters[broken].key == b"BROKEN"
    assert [a.symbol for a in desk.indexed().values()] == ["GOOD"]


def test_a_busy_server_and_one_that_is_down_cost_time_but_no_document(
    desk: Desk, elasticsearch_server: Running
) -> None:
    alerts = make_alerts(1_000)
    with FaultyElastic(elasticsearch_server.address) as proxy:
        proxy.down = True
        desk.publish(alerts[:400])
        with desk.indexing(proxy.address, limit=200) as (indexer, loop):
            eventually(lambda: loop.retries >= 2)
            desk.publish(alerts[400:])
            assert loop.group.counts.read <= 200  # nothing more is read than what waits
            assert loop.group.counts.commits == 0
            proxy.busy, proxy.partial, proxy.down = 2, 3, False
            eventually(lambda: loop.group.counts.read == 1_000 and committed(desk))
            assert loop.checks(KafkaSettings("nowhere:1"))["sink"]() is None
        assert proxy.refused > 3
    eventually(lambda: len(desk.indexed()) == 1_000)
    assert indexer.writer.counts.retried > 0
    assert indexer.writer.counts.refused == 0


def test_two_indexers_share_the_topics_and_what_one_leaves_the_other_takes(
    desk: Desk, elasticsearch_server: Running
) -> None:
    alerts = make_alerts(600)
    with desk.indexing(elasticsearch_server.address) as (_, first):
        desk.publish(alerts[:300])
        eventually(lambda: first.group.counts.read == 300)
        with desk.indexing(elasticsearch_server.address) as (_, second):
            eventually(lambda: len(first.group.assigned) > 0 and len(second.group.assigned) > 0)
            desk.publish(alerts[300:])
            eventually(lambda: len(desk.indexed()) == 600)
    desk.publish([make_alert(symbol="LAST")])
    with desk.indexing(elasticsearch_server.address):
        eventually(lambda: len(desk.indexed()) == 601)
