"""The archiver from a real topic to files, in a folder and on another file system, across restarts."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import msgspec
import numpy as np
import pytest
from confluent_kafka.admin import AdminClient

from tapewatch.model.times import DAY_NS, MINUTE_NS, format_rfc3339, parse_rfc3339
from tapewatch.runtime.cluster.elastic import elastic_client
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.sinks.archive import Archiver, archived_bars
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.runtime.config.sinks import ArchiveSection, ElasticsearchSection
from tapewatch.stores.elasticsearch import BulkWriter, ElasticTickWriter, ensure_indices
from tapewatch.stores.port import ArchiveReader
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_names import key_of
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec

pytestmark = pytest.mark.cluster
ALL_THREE = ["XNAS:AAA", "XNAS:BBB", "XNAS:CCC"]
BEGIN_NS = parse_rfc3339("2025-04-07T14:00:00Z")


PATIENCE_S = 90.0  # the kernels may have to be compiled


def eventually(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.05)


def _bar(symbol: str, minute: int) -> bytes:
    price = 100.0 + minute
    tick = {
        "symbol": symbol,
        "venue": "XNAS",
        "timestamp": format_rfc3339(BEGIN_NS + minute * MINUTE_NS),
        "open": price,
        "high": price + 1,
        "low": price - 1,
        "close": price,
        "volume": 10,
    }
    return msgspec.json.encode(tick)


@pytest.fixture
def topic(kafka_server: Running) -> str:
    name = f"tape-{uuid.uuid4().hex[:10]}"
    KafkaTopics(KafkaSettings(kafka_server.address)).ensure([TopicSpec(name, 2)])
    return name


@pytest.fixture
def publish(kafka_server: Running, topic: str) -> Iterator[Callable[[int, int], None]]:
    publisher = KafkaPublisher(KafkaSettings(kafka_server.address), linger_ms=0)

    def send(first: int, end: int) -> None:
        for symbol in ("AAA", "BBB", "CCC"):
            bars = [_bar(symbol, minute) for minute in range(first, end)]
            publisher.publish(topic, [key_of(symbol)] * len(bars), bars)

    yield send
    publisher.close()


@contextmanager
def archiving(
    kafka: KafkaSettings, topic: str, section: ArchiveSection, ticks: ElasticTickWriter | None = None
) -> Iterator[Archiver]:
    group = KafkaGroup(kafka, [topic], f"{topic}-archive")
    archiver = Archiver(group, section, BridgeSection(), KafkaTopics(kafka).id_of, ticks)
    stop, failed = Event(), list[BaseException]()

    def run() -> None:
        try:
            SinkLoop(group, archiver, 500).run(stop)
        except BaseException as error:  # noqa: BLE001 - raised by the test
            failed.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield archiver
    finally:
        stop.set()
        thread.join()
        archiver.close()
    if failed:
        raise failed[0]


def named(archive: ArchiveReader, from_ns: int, to_ns: int) -> list[str]:
    return sorted(map(str, archive.instruments(from_ns, to_ns)))


@pytest.mark.parametrize("kind", ["folder", "pyarrow"])
def test_every_tick_is_in_the_files_once_whoever_died(
    kafka_server: Running,
    topic: str,
    publish: Callable[[int, int], None],
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = KafkaSettings(kafka_server.address)
    section = ArchiveSection(url=str(tmp_path / "archive"), flush_s=0.3)
    if kind == "pyarrow":  # what is taken for an address of a local file system goes the way of a remote one
        monkeypatch.setattr("tapewatch.runtime.cluster.sinks.archive._local_folder", lambda url: None)
    publish(0, 50)
    with archiving(kafka, topic, section) as archiver:
        eventually(lambda: archiver.ticks == 150 and archiver.flushes > 0)
        publish(50, 80)
        eventually(lambda: archiver.ticks == 240)
    publish(80, 100)
    publish(95, 100)  # the same bars again: duplicates are kept, and are in no bar
    with archiving(kafka, topic, section) as archiver:
        eventually(lambda: archiver.ticks >= 75)
    elastic = elastic_client(ElasticsearchSection())
    archive = archived_bars(section, elastic, "")
    assert named(archive, BEGIN_NS, BEGIN_NS + DAY_NS) == ALL_THREE
    assert named(archive, BEGIN_NS - DAY_NS, BEGIN_NS) == []
    bars = archive.bars("XNAS", "BBB", BEGIN_NS, BEGIN_NS + DAY_NS, MINUTE_NS)
    assert bars.ts_ns.tolist() == [BEGIN_NS + minute * MINUTE_NS for minute in range(100)]
    assert np.array_equal(bars.volume, np.full(100, 10.0))
    elastic.close()


@pytest.mark.parametrize("kind", ["folder", "pyarrow"])
@pytest.mark.parametrize("watched", [False, True], ids=["while nobody archived", "under an archiver"])
def test_a_topic_that_is_made_again_is_archived_from_its_beginning(
    kafka_server: Running,
    topic: str,
    publish: Callable[[int, int], None],
    tmp_path: Path,
    kind: str,
    watched: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka = KafkaSettings(kafka_server.address)
    section = ArchiveSection(url=str(tmp_path / "archive"), flush_s=0.3)
    if kind == "pyarrow":
        monkeypatch.setattr("tapewatch.runtime.cluster.sinks.archive._local_folder", lambda url: None)

    def make_again() -> None:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.delete_topics([topic])[topic].result(20)
        eventually(lambda: not KafkaTopics(kafka).find([topic]))
        KafkaTopics(kafka).ensure([TopicSpec(topic, 2)])
        publish(50, 70)  # less than before: all of it lies below the offsets of the old log

    publish(0, 50)
    with archiving(kafka, topic, section) as archiver:
        eventually(lambda: archiver.ticks == 150 and archiver.flushes > 0)
        if watched:
            make_again()
            eventually(lambda: archiver.ticks == 210)
    if not watched:
        make_again()
        with archiving(kafka, topic, section) as archiver:
            eventually(lambda: archiver.ticks == 60)
    elastic = elastic_client(ElasticsearchSection())
    bars = archived_bars(section, elastic, "").bars("XNAS", "BBB", BEGIN_NS, BEGIN_NS + DAY_NS, MINUTE_NS)
    assert bars.ts_ns.tolist() == [BEGIN_NS + minute * MINUTE_NS for minute in range(70)]
    elastic.close()


def test_ticks_are_in_elasticsearch_too_where_the_settings_say_so(
    kafka_server: Running,
    elasticsearch_server: Running,
    topic: str,
    publish: Callable[[int, int], None],
) -> None:
    prefix = f"{topic}-"
    client = elastic_client(ElasticsearchSection(urls=(elasticsearch_server.address,)))
    writer = ElasticTickWriter(
        BulkWriter(client, lambda _: None), lambda: ensure_indices(client, prefix, only=("ticks",)), prefix=prefix
    )
    section = ArchiveSection(parquet=False, elasticsearch=True)
    publish(0, 40)
    with archiving(KafkaSettings(kafka_server.address), topic, section, writer) as archiver:
        eventually(lambda: archiver.ticks == 120)
    client.indices.refresh(index=f"{prefix}*")
    archive = archived_bars(section, client, prefix)
    assert named(archive, BEGIN_NS, BEGIN_NS + DAY_NS) == ALL_THREE
    assert named(archive, BEGIN_NS - DAY_NS, BEGIN_NS) == []
    bars = archive.bars("XNAS", "AAA", BEGIN_NS, BEGIN_NS + DAY_NS, 10 * MINUTE_NS)
    assert bars.open.tolist() == [100.0, 110.0, 120.0, 130.0]
    assert bars.high.tolist() == [110.0, 120.0, 130.0, 140.0]
    assert bars.volume.tolist() == [100.0] * 4
    for index in client.indices.get(index=f"{prefix}*", features="aliases"):
        client.indices.delete(index=index)
    client.close()
