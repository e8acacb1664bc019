"""The cluster's API over real servers, and what it says while they are away."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import httpx
import msgspec
import pytest

from tapewatch.model.alerts import Alert
from tapewatch.model.secret import Secret
from tapewatch.notify.settings import NotifySettings, SilenceSettings
from tapewatch.runtime.cluster.servers import Running, redis
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.cluster.sinks.api_process import ClusterApi
from tapewatch.runtime.config.detect import QueueSection, StateSection
from tapewatch.runtime.config.kafka import KafkaSection
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.config.sinks import ArchiveSection, ElasticsearchSection
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticAlertStore,
    ElasticSettings,
    Operation,
    connect,
    ensure_indices,
)
from tapewatch.stores.elasticsearch.indices import FOUND
from tapewatch.stores.port import LedgerRow
from tapewatch.stores.redis.client import connect as redis_connect
from tapewatch.stores.redis.notices import RedisNoticeLedger
from tapewatch.tape.kafka_changes import KafkaChanges
from tapewatch.tape.kafka_names import key_of
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec
from tapewatch.web.api.settings import ApiSettings
from tests.factories import make_alert, make_alerts
from tests.integration.cluster.faulty import FaultyElastic

pytestmark = pytest.mark.cluster
PATIENCE_S = 30.0


def eventually(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def topic(kafka_server: Running) -> str:
    name = f"changes-{uuid.uuid4().hex[:10]}"
    KafkaTopics(KafkaSettings(kafka_server.address)).ensure([TopicSpec(name, 3)])
    return name


@pytest.fixture
def publish(kafka_server: Running, topic: str) -> Iterator[Callable[[list[Alert]], None]]:
    publisher = KafkaPublisher(KafkaSettings(kafka_server.address), linger_ms=0)

    def send(alerts: list[Alert]) -> None:
        publisher.publish(topic, [key_of(a.symbol) for a in alerts], [msgspec.json.encode(a) for a in alerts])

    yield send
    publisher.close()


@contextmanager
def serving(settings: Settings, topic: str) -> Iterator[httpx.Client]:
    server = ClusterApi(settings, nudge=lambda: None, alerts_topic=topic)
    thread = Thread(target=server.run)
    thread.start()
    try:
        with httpx.Client(base_url=server.address, timeout=20) as client:
            eventually(lambda: _answers(client))
            yield client
    finally:
        server.stop()
        thread.join()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def settings_for(tmp_path: Path, *, elastic: str, kafka: str, queue: str, prefix: str, state: str = "") -> Settings:
    return Settings(
        api=ApiSettings(port=0, stream_poll_s=0.1),
        kafka=KafkaSection(bootstrap=kafka),
        queue=QueueSection(url=Secret(queue)),
        state=StateSection(url=Secret(state or queue), prefix=prefix),
        elasticsearch=ElasticsearchSection(urls=(elastic,), prefix=prefix, timeout_s=5, refresh="100ms"),
        archive=ArchiveSection(url=str(tmp_path / "archive")),
    )


@pytest.fixture
def prefix(elasticsearch_server: Running) -> Iterator[str]:
    name = f"{uuid.uuid4().hex[:10]}-"
    yield name
    client = connect(ElasticSettings((elasticsearch_server.address,)))
    for index in client.indices.get(index=f"{name}*", features="aliases"):
        client.indices.delete(index=index)
    client.close()


def test_lists_go_on_beyond_ten_thousand_and_cases_are_changed_by_version(
    elasticsearch_server: Running, kafka_server: Running, queue_redis: Running, prefix: str, topic: str, tmp_path: Path
) -> None:
    client = connect(ElasticSettings((elasticsearch_server.address,)))
    ensure_indices(client, prefix, only=("alerts",))
    alerts = make_alerts(10_400, days=40)
    writes = [Operation(f"{prefix}alerts", a.alert_id, msgspec.json.encode(a), version=a.revision) for a in alerts]
    assert set(BulkWriter(client, lambda _: None).write(writes, "true")) == {"written"}
    client.close()
    settings = settings_for(
        tmp_path,
        elastic=elasticsearch_server.address,
        kafka=kafka_server.address,
        queue=queue_redis.address,
        prefix=prefix,
    )
    with serving(settings, topic) as api:
        eventually(lambda: api.get("/readyz").json()["status"] == "ready")
        seen, address = [], "/alerts?limit=1000"
        while address:
            page = api.get(address).json()
            seen += [item["alert_id"] for item in page["items"]]
            address = page["next"]
        assert seen == [a.alert_id for a in reversed(alerts)]
        some = api.get("/alerts/TSLA?limit=5").json()["items"]
        assert {item["symbol"] for item in some} == {"TSLA"}
        alert_id = some[0]["alert_id"]
        done = api.post(f"/v1/alerts/{alert_id}/acknowledge", json={}, headers={"If-Match": '"0"'})
        assert done.status_code == 200, done.text
        again = api.post(f"/v1/alerts/{alert_id}/acknowledge", json={}, headers={"If-Match": '"0"'})
        assert again.status_code in (409, 412)
        assert [e["action"] for e in api.get(f"/v1/audit?subject={alert_id}").json()["items"]] == ["acknowledge"]


def test_a_stream_gives_each_revision_once_and_resumes_on_another_server(
    elasticsearch_server: Running,
    kafka_server: Running,
    queue_redis: Running,
    prefix: str,
    topic: str,
    tmp_path: Path,
    publish: Callable[[list[Alert]], None],
) -> None:
    settings = settings_for(
        tmp_path,
        elastic=elasticsearch_server.address,
        kafka=kafka_server.address,
        queue=queue_redis.address,
        prefix=prefix,
    )
    alerts = [make_alert(symbol=f"S{i}") for i in range(40)]
    publish(alerts[:10])
    time.sleep(0.5)
    with serving(settings, topic) as api:
        first = read_stream(api, None, lambda: publish(alerts[10:20] + alerts[12:20] + alerts[20:25]), 15)
    assert {e["alert_id"] for _, e in first} == {a.alert_id for a in alerts[10:25]}
    publish(alerts[15:40])  # repeats and new ones while nobody listens
    with serving(settings, topic) as api:
        rest = read_stream(api, first[6][0], lambda: None, 8 + 15)
        assert [e for _, e in rest[:8]] == [e for _, e in first[7:]]
        assert {e["alert_id"] for _, e in rest[8:]} == {a.alert_id for a in alerts[25:]}


def read_stream(
    api: httpx.Client, last: str | None, when_open: Callable[[], None], count: int
) -> list[tuple[str, dict[str, str]]]:
    headers = {} if last is None else {"Last-Event-ID": last}
    found: list[tuple[str, dict[str, str]]] = []
    name, event_id = "", ""
    with api.stream("GET", "/v1/stream/alerts", headers=headers) as response:
        for line in response.iter_lines():
            key, _, value = line.partition(": ")
            if key == "id":
                event_id = value
            elif key == "event":
                name = value
                assert name != "reset"
            elif key == "data" and name == "ready":
                when_open()
            elif key == "data":
                found.append((event_id, msgspec.json.decode(value)))
                if len(found) == count:
                    return found
    raise AssertionError("the stream ended")


def test_the_log_of_changes_has_the_same_numbers_wherever_reading_begins(
    kafka_server: Running, topic: str, publish: Callable[[list[Alert]], None]
) -> None:
    alerts = [make_alert(symbol=f"S{i % 7}", onset_k=i) for i in range(300)]
    for at in range(0, 300, 50):
        publish(alerts[at : at + 50])
    publish(alerts[280:])
    kafka = KafkaSettings(kafka_server.address)
    log = KafkaChanges(kafka, topic, hold_ms=0)
    whole = log.changes(0, 1_000)
    assert [number for number, _ in whole] == list(range(1, 321))
    assert sorted(a.alert_id for _, a in whole if a) == sorted(a.alert_id for a in alerts)
    assert [a for _, a in whole[300:]] == [None] * 20
    for after in (0, 1, 49, 137, 299, 310, 319, 320):
        other = KafkaChanges(kafka, topic, hold_ms=0)
        assert other.changes(after, 25) == whole[after : after + 25]
        assert other.changes(min(after + 25, 320), 500) == whole[after + 25 :]
        other.close()
    log.close()


def test_an_alert_comes_with_who_was_told_and_its_incident_with_a_chart(
    elasticsearch_server: Running, kafka_server: Running, queue_redis: Running, prefix: str, topic: str, tmp_path: Path
) -> None:
    elastic = connect(ElasticSettings((elasticsearch_server.address,)))
    ensure_indices(elastic, prefix, only=FOUND)
    alert = make_alert()
    ElasticAlertStore(elastic, BulkWriter(elastic, lambda _: None), prefix=prefix).upsert([alert], [])
    elastic.indices.refresh(index=f"{prefix}*")
    elastic.close()
    state = redis.start(tmp_path / "state", durable=False)
    client = redis_connect(Secret(state.address))
    told = LedgerRow(alert_id=alert.alert_id, revision=1, channel="email", recipient="desk@example.org")
    RedisNoticeLedger(client, prefix).owe([told])
    client.close()
    settings = msgspec.structs.replace(
        settings_for(
            tmp_path,
            elastic=elasticsearch_server.address,
            kafka=kafka_server.address,
            queue=queue_redis.address,
            prefix=prefix,
            state=state.address,
        ),
        notify=NotifySettings(
            silences=(
                SilenceSettings(
                    name="night",
                    owner="desk",
                    reason="a test",
                    symbols=("TSLA",),
                    expires=datetime(2100, 1, 1, tzinfo=UTC),
                ),
            )
        ),
    )
    with serving(settings, topic) as api:
        eventually(lambda: api.get("/readyz").json()["status"] == "ready")
        detail = api.get(f"/v1/alerts/{alert.alert_id}").json()
        assert [(n["channel"], n["state"]) for n in detail["notices"]] == [("email", "pending")]
        chart = api.get(f"/v1/incidents/{alert.incident_id}/chart")
        assert (chart.status_code, chart.headers["content-type"]) == (200, "image/svg+xml")
        assert chart.text.startswith("<svg") or "<svg" in chart.text[:200]
        assert [s["source"] for s in api.get("/v1/silences").json()["items"]] == ["settings"]
        state.stop()
        eventually(lambda: api.get("/readyz").json()["checks"]["state"] is not None)
        assert api.get("/readyz").json()["status"] == "degraded"
        assert api.get(f"/v1/alerts/{alert.alert_id}").json()["notices"] is None


def test_it_serves_on_and_says_what_is_missing(
    elasticsearch_server: Running, kafka_server: Running, queue_redis: Running, prefix: str, topic: str, tmp_path: Path
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with FaultyElastic(elasticsearch_server.address) as proxy:
        proxy.down = True
        settings = settings_for(
            tmp_path, elastic=proxy.address, kafka=nowhere, queue=f"redis://{nowhere}/0", prefix=prefix
        )
        with serving(settings, topic) as api:
            eventually(lambda: None not in (ready := api.get("/readyz").json()["checks"]).values() and len(ready) == 4)
            assert api.get("/readyz").status_code == 503
            problem = api.get("/alerts")
            assert (problem.status_code, problem.headers["content-type"]) == (503, "application/problem+json")
            assert "does not answer" in problem.json()["checks"]["elasticsearch"]
            proxy.down = False
            eventually(lambda: api.get("/readyz").status_code == 200)
            ready = api.get("/readyz").json()
            assert ready["status"] == "degraded"
            assert ready["checks"]["elasticsearch"] is None
            assert ready["checks"]["kafka"] is not None
            assert api.get("/alerts").json()["items"] == []
            assert set(api.get("/v1/stream/alerts").json()["checks"]) == {"kafka", "queue", "state"}
            assert set(api.get("/v1/status").json()["degraded"]) == {"kafka", "queue", "state"}
