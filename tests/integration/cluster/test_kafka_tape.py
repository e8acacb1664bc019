"""Kafka as the tape: what a real broker does to readers, writers and topics."""

import itertools
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigEntry, ConfigResource, ResourceType
from confluent_kafka.admin import AlterConfigOpType as Alter

from tapewatch.model.errors import GiveUpError, InputError, RetryableError
from tapewatch.model.secret import Secret
from tapewatch.model.ticks import Kind
from tapewatch.runtime.cluster.servers import Running, kafka
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.dead_letters import KafkaLetters
from tapewatch.tape.codec import CodecSettings, JsonDecoder
from tapewatch.tape.kafka import KafkaTape, ReaderMaker, best_reader
from tapewatch.tape.kafka_dead import DeadMessage, read_dead, replay, write_dead
from tapewatch.tape.kafka_errors import LogShorterError, OffsetGoneError
from tapewatch.tape.kafka_events import event_headers
from tapewatch.tape.kafka_names import DEAD_LETTERS, key_of
from tapewatch.tape.kafka_native import NativeReader
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_reader import ObjectReader
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec, our_topics
from tapewatch.tape.port import RawBatch
from tests.factories import make_alert, make_signal

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def settings(kafka_server: Running) -> KafkaSettings:
    return KafkaSettings(kafka_server.address)


@pytest.fixture
def topic(settings: KafkaSettings) -> str:
    name = f"t-{uuid.uuid4().hex[:12]}"
    KafkaTopics(settings).ensure([TopicSpec(name, 2)])
    return name


@pytest.fixture
def publisher(settings: KafkaSettings) -> Iterator[KafkaPublisher]:
    publisher = KafkaPublisher(settings, linger_ms=1)
    yield publisher
    publisher.close()


@pytest.fixture(params=[best_reader, ObjectReader], ids=["native", "objects"])
def open_tape(request: pytest.FixtureRequest, settings: KafkaSettings) -> Iterator[Callable[[str, int], KafkaTape]]:
    opened: list[KafkaTape] = []

    def tape(topic: str, partition: int) -> KafkaTape:
        maker: ReaderMaker = request.param
        opened.append(KafkaTape(settings, topic, partition, make_reader=maker))
        return opened[-1]

    yield tape
    for each in opened:
        each.close()


def _messages(raw: RawBatch) -> list[bytes]:
    return [raw.data[a:b] for a, b in itertools.pairwise(raw.starts.tolist())]


def _partition(key: bytes, partitions: int) -> int:
    """The Java client's partitioner, written down once more (murmur2 of the key, seed 0x9747b28c)."""
    m, r = 0x5BD1E995, 24
    h = (0x9747B28C ^ len(key)) & 0xFFFFFFFF
    for i in range(0, len(key) // 4 * 4, 4):
        k = int.from_bytes(key[i : i + 4], "little") * m & 0xFFFFFFFF
        h = (h * m & 0xFFFFFFFF) ^ ((k ^ k >> r) * m & 0xFFFFFFFF)
    tail = key[len(key) // 4 * 4 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions


def test_the_native_reader_is_what_tests_and_users_get(settings: KafkaSettings, topic: str) -> None:
    reader = best_reader(settings, topic, 0)
    assert isinstance(reader, NativeReader)
    reader.close()


def test_topics_are_made_once_and_checked_ever_after(settings: KafkaSettings, topic: str) -> None:
    topics = KafkaTopics(settings)
    assert topics.ensure([TopicSpec(topic, 2)]) == []
    with pytest.raises(
        InputError, match=f"topic {topic} has 2 partitions, the settings say 3.*topics copy {topic} {topic}-3"
    ):
        topics.ensure([TopicSpec(f"{topic}-other", 1), TopicSpec(topic, 3)])
    assert topics.find([topic, f"{topic}-other"]).keys() == {topic}


def test_a_topic_that_keeps_its_producers_times_is_refused(settings: KafkaSettings, topic: str) -> None:
    entry = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=Alter.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    with pytest.raises(InputError, match="LogAppendTime"):
        KafkaTopics(settings).ensure([TopicSpec(topic, 2)])


def test_every_topic_of_ours_can_be_made(settings: KafkaSettings) -> None:
    prefix = uuid.uuid4().hex[:6]
    specs = [
        TopicSpec(f"{prefix}.{s.name}", s.partitions, s.retention_days, s.compacted) for s in our_topics(partitions=2)
    ]
    assert KafkaTopics(settings).ensure(specs) == [s.name for s in specs]


def test_a_key_reaches_the_partition_that_the_java_client_would_choose(
    publisher: KafkaPublisher, open_tape: Callable[[str, int], KafkaTape], topic: str
) -> None:
    symbols = ["TSLA", "aapl ", "BTC/USDT", "A", "", *(f"S{i}" for i in range(40))]
    keys = [key_of(s) for s in symbols if s]
    publisher.publish(topic, list(keys), keys)
    for partition in range(2):
        assert _messages(open_tape(topic, partition).read(0)) == [k for k in keys if _partition(k, 2) == partition]


def test_heartbeats_reach_every_partition(
    publisher: KafkaPublisher, open_tape: Callable[[str, int], KafkaTape], topic: str
) -> None:
    publisher.heartbeat(topic, 2, 1_744_034_400_000_000_000, "bridge")
    publisher.flush()
    decoder = JsonDecoder(CodecSettings(topic, lambda venue: "UTC"))
    for partition in range(2):
        ticks = decoder.decode(open_tape(topic, partition).read(0)).ticks
        assert (ticks.kind.tolist(), ticks.ts_event_ns.tolist()) == ([Kind.HEARTBEAT], [1_744_034_400_000_000_000])


def test_a_read_waits_for_the_next_message_only_where_it_is_told_to(
    publisher: KafkaPublisher, open_tape: Callable[[str, int], KafkaTape], topic: str
) -> None:
    tape = open_tape(topic, 0)
    began = time.monotonic()
    assert len(tape.read(0, wait_s=0.3)) == 0
    assert time.monotonic() - began > 0.25
    publisher.publish(topic, [None], [b"x"], partition=0)
    assert _messages(tape.read(0, wait_s=5)) == [b"x"]


def test_an_empty_value_and_a_tombstone_are_empty_messages(
    publisher: KafkaPublisher, open_tape: Callable[[str, int], KafkaTape], settings: KafkaSettings, topic: str
) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap})
    producer.produce(topic, None, b"key", 0)
    producer.flush(10)
    publisher.publish(topic, [None, None], [b"", b"x"], partition=0)
    assert _messages(open_tape(topic, 0).read(0)) == [b"", b"", b"x"]


def test_control_records_are_passed_over_and_do_not_hold_the_reader_up(
    open_tape: Callable[[str, int], KafkaTape], settings: KafkaSettings, topic: str
) -> None:
    producer = Producer({"bootstrap.servers": settings.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for value in (b"a", b"b"):
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.commit_transaction(30)
    tape = open_tape(topic, 0)
    first = tape.read(0, 1)
    assert (_messages(first), first.offsets.tolist()) == ([b"a"], [0])
    rest = tape.read(first.end)
    assert _messages(rest) == [b"b"]
    assert rest.offsets.tolist() == [2]  # offset 1 is the transaction's
    last = tape.read(rest.end) if rest.end < 4 else rest
    assert last.end == tape.bounds()[1] == 4
    assert len(tape.read(4)) == 0


def test_what_retention_has_removed_is_said_to_be_gone(
    publisher: KafkaPublisher, open_tape: Callable[[str, int], KafkaTape], settings: KafkaSettings, topic: str
) -> None:
    publisher.publish(topic, [None] * 5, [b"x"] * 5, partition=0)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 0, 3)]).values():
        future.result(10)
    tape = open_tape(topic, 0)
    with pytest.raises(OffsetGoneError) as gone:
        tape.read(1)
    assert gone.value.first == 3
    assert tape.read(3).offsets.tolist() == [3, 4]


@pytest.mark.parametrize("make_reader", [best_reader, ObjectReader], ids=["native", "objects"])
def test_a_reader_whose_place_retention_removes_while_it_reads_is_told_so(
    publisher: KafkaPublisher, settings: KafkaSettings, topic: str, make_reader: ReaderMaker
) -> None:
    publisher.publish(topic, [None] * 50, [random.Random(at).randbytes(100_000) for at in range(50)], partition=0)
    tape = KafkaTape(replace(settings, read_ahead=1), topic, 0, make_reader=make_reader)  # a fetch brings some ten
    place = tape.read(0, 1, wait_s=5).end
    admin = AdminClient({"bootstrap.servers": settings.bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 0, 45)]).values():
        future.result(10)
    seen: list[int] = []
    first = 0
    deadline = time.monotonic() + 20
    while not first and time.monotonic() < deadline:
        try:
            raw = tape.read(place, 1, wait_s=0.1)
        except RetryableError:  # the broker's refusal; the next look finds out why
            continue
        except OffsetGoneError as gone:
            first = gone.first
        else:
            seen += raw.offsets.tolist()
            place = raw.end
    assert (seen, first) == (list(range(1, place)), 45)
    assert 0 < place < 45, "what was fetched already is given still"
    rest = tape.read(45, wait_s=5)
    assert rest.offsets[0] == 45
    assert _messages(rest)[0] == random.Random(45).randbytes(100_000)
    tape.close()


def test_a_log_that_ends_before_the_place_to_read_from_says_where(
    publisher: KafkaPublisher, open_tape: Callable[[str, int], KafkaTape], topic: str
) -> None:
    publisher.publish(topic, [None] * 3, [b"x"] * 3, partition=0)
    with pytest.raises(LogShorterError, match=f"{topic}/0: offset 5 is outside of the log, which ends at 3") as short:
        open_tape(topic, 0).read(5)
    assert short.value.end == 3


def test_a_tape_of_an_unknown_topic_or_partition_is_refused(settings: KafkaSettings, topic: str) -> None:
    for name, partition in (("no-such-topic", 0), (topic, 2), (topic, -1)):
        with pytest.raises(InputError, match="no such topic or partition"):
            KafkaTape(settings, name, partition)


def test_the_committed_offset_carries_its_text_and_outlives_the_reader(
    publisher: KafkaPublisher, settings: KafkaSettings, topic: str
) -> None:
    publisher.publish(topic, [None] * 3, [b"x"] * 3, partition=1)
    one = KafkaTape(settings, topic, 1, group="g")
    one.commit(2, '{"epoch":7}')
    one.close()
    other = KafkaTape(settings, topic, 1, group="g")
    assert other.committed_with_metadata() == (2, '{"epoch":7}')
    assert other.identity == one.identity
    other.close()
    fresh = KafkaTape(settings, topic, 1, group="another")
    assert fresh.committed_with_metadata() == (0, "")
    fresh.close()


def test_published_events_carry_their_ids(settings: KafkaSettings, publisher: KafkaPublisher, topic: str) -> None:
    alert, signal = make_alert(revision=3), make_signal()
    payloads = [msgspec.json.encode(alert), msgspec.json.encode(signal)]
    headers = [
        event_headers("alert", payloads[0], "/desk", lambda offset: f"00-{offset}-bb-01"),
        event_headers("signal", payloads[1], "/d"),
    ]
    publisher.publish(topic, [b"TSLA"] * 2, payloads, headers, partition=0)
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "g"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    first, second = consumer.consume(2, 10)
    consumer.close()
    found = dict(first.headers() or [])
    assert found["ce_id"] == f"{alert.alert_id}:3".encode()
    assert found["ce_specversion"] == b"1.0"
    assert found["ce_time"] == alert.timestamp.encode()
    assert (found["ce_type"], found["ce_source"]) == (b"io.tapewatch.alert", b"/desk")
    assert found["traceparent"] == f"00-{alert.offset}-bb-01".encode()
    assert dict(second.headers() or [])["ce_id"] == signal.signal_id.encode()


def test_dead_letters_come_back_as_they_were_and_can_be_written_again(
    settings: KafkaSettings, publisher: KafkaPublisher, topic: str, open_tape: Callable[[str, int], KafkaTape]
) -> None:
    dead = f"{topic}-dead"
    KafkaTopics(settings).ensure([TopicSpec(dead, 1)])
    letters = [
        DeadMessage(topic=topic, partition=1, offset=5, reason="not readable: é", original=b"\xff\x00", key=b"TSLA"),
        DeadMessage(topic=topic, partition=0, offset=6, reason="x", original=b""),
    ]
    assert list(read_dead(settings, topic=dead)) == []
    write_dead(publisher, letters, "/desk", dead)
    found = list(read_dead(settings, topic=dead))
    assert found == [msgspec.structs.replace(letter, number=i) for i, letter in enumerate(letters)]
    assert list(read_dead(settings, after=0, topic=dead)) == found[1:]
    replay(publisher, letters[:1])
    assert _messages(open_tape(topic, _partition(b"TSLA", 2)).read(0)) == [b"\xff\x00"]


def test_a_dead_letter_as_large_as_a_topic_takes_is_kept_and_a_larger_one_is_cut_and_says_so(
    settings: KafkaSettings, publisher: KafkaPublisher, topic: str
) -> None:
    dead = f"{topic}-dead"
    spec = next(spec for spec in our_topics() if spec.name == DEAD_LETTERS)
    KafkaTopics(settings).ensure([replace(spec, name=dead)])
    whole, huge = random.Random(1).randbytes(1_048_000), random.Random(2).randbytes((4 << 20) + 77)
    letters = [
        DeadMessage(topic=topic, partition=0, offset=at, reason="x" * 2000, original=original)
        for at, original in enumerate((whole, huge))
    ]
    write_dead(publisher, letters, "/desk", dead)
    found = list(read_dead(settings, topic=dead))
    assert [(x.original, x.cut) for x in found] == [(whole, 0), (huge[: 4 << 20], 77)]
    letters_shown = KafkaLetters(settings, dead)
    with pytest.raises(GiveUpError, match=f"dead letter 2 is not written again.*first 4194304 bytes.*{topic}/0:1 may"):
        letters_shown.replay(list(letters_shown.after(0)))


def test_without_a_broker_everything_says_try_again_and_the_address_is_the_only_thing_told() -> None:
    settings = KafkaSettings(
        f"127.0.0.1:{free_port()}",
        protocol="SASL_PLAINTEXT",
        mechanism="PLAIN",
        username="desk",
        password=Secret("hunter2"),
        timeout_s=0.5,
        delivery_s=1.0,
    )
    publisher = KafkaPublisher(settings)
    with pytest.raises(RetryableError) as failed:
        publisher.publish("t", [None, None], [b"x", b"y"])
    assert publisher.failed == 2
    assert "hunter2" not in f"{failed.value} {settings!r}"
    with pytest.raises(RetryableError):
        KafkaTopics(settings).find(["t"])


def test_reader_and_writer_go_on_where_a_broker_comes_back(kafka_server: Running, tmp_path: Path) -> None:
    del kafka_server  # asked for so that a missing Kafka is reported in one place
    with kafka.start(tmp_path / "kafka") as server:
        settings = KafkaSettings(server.address, timeout_s=30.0)
        KafkaTopics(settings).ensure([TopicSpec("t", 1)])
        tape, publisher = KafkaTape(settings, "t", 0), KafkaPublisher(settings, linger_ms=0)
        publisher.publish("t", [None], [b"a"])
        assert _messages(tape.read(0)) == [b"a"]
        server.kill()
        publisher.send("t", [None], [b"b"])
        assert len(tape.read(1, wait_s=0.5)) == 0
        server.restart()
        publisher.flush()
        deadline = time.monotonic() + 30
        raw = tape.read(1, wait_s=5)
        while not len(raw) and time.monotonic() < deadline:
            raw = tape.read(1, wait_s=5)
        assert _messages(raw) == [b"b"]
        tape.close()
        publisher.close()
