"""What the Elasticsearch stores do about mappings, busy servers, deaths half-way, many documents and old months."""

import json
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import msgspec
import pytest
from elasticsearch import Elasticsearch

from tapewatch.alerts.incidents import fold
from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.errors import CommitRefusedError, InputError, RetryableError
from tapewatch.model.secret import Secret
from tapewatch.model.times import DAY_NS, MINUTE_NS, parse_rfc3339
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticAlertStore,
    ElasticCaseStore,
    ElasticDeadLetterStore,
    ElasticSettings,
    Operation,
    Refused,
    Retries,
    connect,
    ensure_indices,
    remove_old_months,
)
from tapewatch.stores.port import AlertQuery
from tests.factories import ONSET_NS, make_alert, make_alerts, make_signal

pytestmark = pytest.mark.cluster

NO_WAIT = Retries(sleep=lambda seconds: None)
ENTRY = AuditEntry(seq=0, at_ns=1, actor="ann", action="comment", subject="a", detail={"text": "look"})


class Market:
    """Indices of one test's own."""

    def __init__(self, url: str) -> None:
        self.url, self.prefix = url, f"{uuid.uuid4().hex}-"
        self.client = connect(ElasticSettings((url,)))
        self.refused: list[Refused] = []
        self.writer = BulkWriter(self.client, self.refused.append, NO_WAIT)
        ensure_indices(self.client, self.prefix)
        self.alerts = ElasticAlertStore(self.client, self.writer, prefix=self.prefix, refresh="true")


@pytest.fixture(scope="module")
def market(elasticsearch_server: Running) -> Iterator[Market]:
    market = Market(elasticsearch_server.address)
    yield market
    names = market.client.indices.get(index=f"{market.prefix}*", features="aliases")
    market.client.indices.delete(index=",".join(names))
    market.client.close()


def test_indices_are_made_again_without_harm_and_map_what_people_search(market: Market) -> None:
    ensure_indices(market.client, market.prefix)
    market.alerts.upsert([], [make_signal()])
    name = f"{market.prefix}alerts"
    properties = market.client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
    for field, kind in (("timestamp", "date_nanos"), ("symbol", "keyword"), ("alert_type", "keyword")):
        assert properties[field]["type"] == kind
    month = f"{market.prefix}signals-2025.04"
    found = market.client.indices.get_mapping(index=month)[month]["mappings"]
    assert (found["dynamic"], found["properties"]["timestamp"]["type"]) == ("false", "date_nanos")


def test_details_of_any_kind_never_make_a_document_refused(market: Market) -> None:
    odd = make_alert(symbol="ODD", details={"window": "wide", "a.b": 1, "": True, "x" * 300: None})
    assert market.alerts.upsert([odd, make_alert(symbol="EVEN", details={"window": 1})], [])[0] == odd
    assert market.alerts.page(AlertQuery(symbol="ODD")) == [odd]


def test_times_that_elasticsearch_has_no_type_for_are_kept_and_found(market: Market) -> None:
    old_ns = parse_rfc3339("1929-10-24T15:00:00Z")
    old = make_alert(symbol="OLD", onset_ns=old_ns)
    market.alerts.upsert([old], [])
    assert market.alerts.page(AlertQuery(from_ns=old_ns, to_ns=old_ns + 1)) == [old]


def test_a_document_that_cannot_be_mapped_is_handed_over_and_the_others_are_written(market: Market) -> None:
    good = Operation(f"{market.prefix}alerts", "good", b'{"symbol":"GOOD"}')
    bad = Operation(f"{market.prefix}alerts", "bad", b'{"onset_ns":"soon"}')
    assert market.writer.write([good, bad, good]) == ["written", "refused", "written"]
    (refused,) = market.refused
    market.refused.clear()
    assert (refused.id, refused.source) == ("bad", bad.source)
    assert "onset_ns" in refused.reason


def test_pages_go_on_beyond_what_the_server_gives_at_once(market: Market) -> None:
    alerts = make_alerts(10_500, days=30)
    writes = [
        Operation(f"{market.prefix}alerts", a.alert_id, msgspec.json.encode(msgspec.structs.replace(a, rule="many")))
        for a in alerts
    ]
    assert set(market.writer.write(writes, "true")) == {"written"}
    found = market.alerts.page(AlertQuery(rule=["many"], limit=20_000, newest_first=False))
    assert [a.alert_id for a in found] == [a.alert_id for a in alerts]


def test_old_months_go_as_a_whole_and_nothing_else_does(market: Market) -> None:
    now_ns = parse_rfc3339("2021-04-15T00:00:00Z")
    times = [parse_rfc3339(f"2021-{month:02}-28T23:00:00Z") for month in (1, 2, 3)]
    market.alerts.upsert([], [make_signal(ts_event_ns=t) for t in times])
    market.client.indices.create(index=f"{market.prefix}signals-other")
    removed = remove_old_months(market.client, now_ns, {"signals": 40}, market.prefix)
    assert removed == [f"{market.prefix}signals-2021.01", f"{market.prefix}signals-2021.02"]
    assert remove_old_months(market.client, now_ns, {"signals": 40}, market.prefix) == []
    assert len(market.alerts.signals(AlertQuery(to_ns=now_ns))) == 1
    with pytest.raises(InputError, match="alerts"):
        remove_old_months(market.client, now_ns, {"alerts": 1}, market.prefix)


def test_before_the_first_indexer_there_are_no_dead_letters(market: Market) -> None:
    assert ElasticDeadLetterStore(market.client, market.writer, prefix="nobody-").dead_letters(0, 10) == []


def test_a_call_that_died_before_its_incident_is_repaired_by_its_repeat(market: Market) -> None:
    alert = make_alert(incident_id="torn", alert_id="torn")
    write = Operation(f"{market.prefix}alerts", "torn", msgspec.json.encode(alert), version=1)
    market.writer.write([write], "true")
    assert market.alerts.incidents(AlertQuery(incident_id="torn")) == []
    assert market.alerts.upsert([alert], []) == []
    assert market.alerts.incidents(AlertQuery(incident_id="torn")) == [fold([alert])]


def test_two_indexers_of_one_incident_lose_none_of_its_alerts(market: Market) -> None:
    alerts = [make_alert(incident_id="shared", onset_ns=ONSET_NS + i * MINUTE_NS) for i in range(12)]
    threads = [Thread(target=market.alerts.upsert, args=([alert], [])) for alert in alerts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (incident,) = market.alerts.incidents(AlertQuery(incident_id="shared"))
    assert incident == fold(alerts)


class _DiesAfterHead(BulkWriter):
    """A process that dies right after its change was made, before it is brought to its places."""

    def write(self, operations, refresh="false"):  # type: ignore[no-untyped-def] # as the base
        if operations[0].id != "head":
            raise ConnectionError("dead")
        return super().write(operations, refresh)


def test_a_change_that_was_made_is_seen_with_its_audit_entry_whoever_died(market: Market) -> None:
    case = Case(alert_id="fragile", version=1, assignee="ann")
    dying = ElasticCaseStore(market.client, _DiesAfterHead(market.client, market.refused.append), prefix=market.prefix)
    with pytest.raises(ConnectionError):
        dying.put(case, ENTRY)
    store = ElasticCaseStore(market.client, market.writer, prefix=market.prefix)
    assert store.cases(["fragile"]) == {"fragile": case}
    assert store.audit("a", 0, 10) == [msgspec.structs.replace(ENTRY, seq=1)]
    with pytest.raises(CommitRefusedError):
        store.put(case, ENTRY)
    assert store.audit_append(ENTRY).seq == 2


class _Faulty(BaseHTTPRequestHandler):
    """Stands before the real server: refuses whole bulks and single items as an overloaded one does."""

    target = ""
    whole, items = 0, 0  # how many more of each to refuse

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        bulk = self.path.startswith("/_bulk")
        if bulk and _Faulty.whole:
            _Faulty.whole -= 1
            self._answer(429, b'{"error":{"type":"es_rejected_execution_exception"},"status":429}')
            return
        lines = body.split(b"\n")
        if bulk and _Faulty.items and len(lines) > 2:
            _Faulty.items -= 1
            # The first item is refused, the others reach the server.
            given = httpx.request(self.command, self.target + self.path, content=b"\n".join(lines[2:]), headers=_NDJSON)
            answer = given.json() if len(lines) > 3 else {"items": []}
            answer["items"].insert(0, {"index": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}})
            self._answer(200, json.dumps(answer).encode())
            return
        kept = {k: v for k, v in self.headers.items() if k.lower() in {"content-type", "accept"}}
        given = httpx.request(self.command, self.target + self.path, content=body, headers=kept)
        self._answer(given.status_code, given.content)

    def do_POST(self) -> None:
        self._pass()

    def do_PUT(self) -> None:
        self._pass()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in (
            ("content-type", "application/json"),
            ("x-elastic-product", "Elasticsearch"),
            ("content-length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


_NDJSON = {"content-type": "application/x-ndjson", "accept": "application/json"}


@pytest.fixture
def overloaded(market: Market) -> Iterator[Elasticsearch]:
    _Faulty.target, _Faulty.whole, _Faulty.items = market.url, 0, 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Faulty)
    Thread(target=server.serve_forever, daemon=True).start()
    client = connect(ElasticSettings((f"http://127.0.0.1:{server.server_address[1]}",)))
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def test_what_a_busy_server_refuses_is_tried_again_item_by_item(market: Market, overloaded: Elasticsearch) -> None:
    waits: list[float] = []
    writer = BulkWriter(overloaded, market.refused.append, Retries(sleep=waits.append))
    store = ElasticAlertStore(overloaded, writer, prefix=market.prefix, refresh="true")
    alerts = make_alerts(5, seed=99)
    _Faulty.whole, _Faulty.items = 2, 2
    assert store.upsert(alerts, []) == alerts
    assert len(waits) == 4
    assert all(0.05 * 2**i <= wait <= 0.1 * 2**i for i, wait in enumerate(waits))
    assert writer.counts.retried == 5 + 5 + 1 + 1
    for alert in alerts:
        assert market.alerts.page(AlertQuery(alert_id=alert.alert_id)) == [alert]
    assert market.refused == []


def test_a_server_that_stays_busy_is_an_error_to_be_repeated(market: Market, overloaded: Elasticsearch) -> None:
    writer = BulkWriter(overloaded, market.refused.append, NO_WAIT)
    _Faulty.whole = 100
    with pytest.raises(RetryableError, match="too busy for 1 of 1"):
        writer.write([Operation(f"{market.prefix}alerts", "x", b"{}")])


def test_without_a_server_everything_says_try_again_and_shows_no_secret() -> None:
    settings = ElasticSettings((f"http://127.0.0.1:{free_port()}",), username="desk", password=Secret("hunter2"))
    client = connect(settings)
    store = ElasticAlertStore(client, BulkWriter(client, lambda refused: None, NO_WAIT))
    with pytest.raises(RetryableError) as failed:
        store.upsert([make_alert()], [])
    assert "hunter2" not in f"{failed.value} {settings!r}"
    with pytest.raises(RetryableError):
        store.page(AlertQuery())
    with pytest.raises(RetryableError):
        remove_old_months(client, DAY_NS, {"ticks": 1})
    client.close()


@pytest.mark.parametrize(
    "urls", [(), ("localhost:9200",), ("ftp://host",), ("https://desk:hunter2@host:9200",), ("http://",)]
)
def test_addresses_that_are_none_or_carry_a_password_are_refused_unseen(urls: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        ElasticSettings(urls)
    assert "hunter2" not in str(refused.value)
