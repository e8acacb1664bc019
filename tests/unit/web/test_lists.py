import pytest

from tapewatch.stores.memory.alerts import MemoryAlertStore
from tests.factories import make_alert, make_alerts
from tests.unit.web.support import follow, make_client

ALERTS = make_alerts(250)
NEWEST = [a.alert_id for a in sorted(ALERTS, key=lambda a: (a.onset_ns, a.alert_id), reverse=True)]


@pytest.mark.parametrize("address", ["/alerts", "/v1/alerts"])
@pytest.mark.parametrize("limit", [7, 100, 250])
def test_following_next_gives_every_alert_once_in_a_stable_order(address: str, limit: int) -> None:
    pages = list(follow(make_client(), f"{address}?limit={limit}"))
    assert [item["alert_id"] for page in pages for item in page["items"]] == NEWEST
    assert all(len(page["items"]) == limit for page in pages[:-1])


def test_oldest_first_is_the_reverse() -> None:
    pages = list(follow(make_client(), "/alerts?order=oldest&limit=99"))
    assert [item["alert_id"] for page in pages for item in page["items"]] == NEWEST[::-1]


def test_alerts_of_one_moment_are_not_lost_between_pages() -> None:
    store = MemoryAlertStore()
    store.upsert([make_alert(onset_k=k) for k in range(20)], [])
    pages = list(follow(make_client(1, alerts=store), "/alerts?limit=3"))
    assert len({item["alert_id"] for page in pages for item in page["items"]}) == 20


def test_the_link_header_is_the_next_page_and_the_last_has_none() -> None:
    client = make_client()
    first = client.get("/alerts?limit=200&severity=high&severity=medium")
    assert first.headers["link"] == f'<{first.json()["next"]}>; rel="next"'
    last = client.get(first.json()["next"])
    assert last.json()["next"] is None and "link" not in last.headers


@pytest.mark.parametrize(
    ("query", "field", "values"),
    [
        ("severity=high&severity=critical", "severity", {"high", "critical"}),
        ("rule=stale_feed", "rule", {"stale_feed"}),
        ("type=rise", "alert_type", {"rise"}),
        ("type=stale_feed&type=drop", "alert_type", {"stale_feed", "drop"}),
        ("state=firing&state=recovering", "state", {"firing", "recovering"}),
        ("venue=XNAS", "venue", {"XNAS"}),
        ("category=volume", "category", {"volume"}),
        ("symbol=BTC/USDT", "symbol", {"BTC/USDT"}),
        ("symbol=btc/usdt", "symbol", {"BTC/USDT"}),
    ],
)
def test_each_filter_keeps_all_that_fits_and_nothing_else(query: str, field: str, values: set[str]) -> None:
    items = [item for page in follow(make_client(), f"/alerts?limit=50&{query}") for item in page["items"]]
    assert {item["alert_id"] for item in items} == {a.alert_id for a in ALERTS if getattr(a, field) in values}
    assert {item[field] for item in items} == values


@pytest.mark.parametrize("written", ["BTC/USDT", "BTC%2FUSDT", "btc/Usdt"])
def test_a_symbol_is_found_plain_or_encoded_and_in_any_case_on_every_page(written: str) -> None:
    items = [item for page in follow(make_client(), f"/alerts/{written}?limit=10") for item in page["items"]]
    assert {item["alert_id"] for item in items} == {a.alert_id for a in ALERTS if a.symbol == "BTC/USDT"}


def test_from_is_included_and_to_is_not() -> None:
    middle = ALERTS[100]
    client = make_client()

    def count(query: str) -> int:
        return sum(len(page["items"]) for page in follow(client, f"/alerts?{query}"))

    assert count(f"from={middle.onset}") == sum(a.onset_ns >= middle.onset_ns for a in ALERTS)
    assert count(f"to={middle.onset}") == sum(a.onset_ns < middle.onset_ns for a in ALERTS)


def test_a_cursor_of_another_list_is_refused_instead_of_giving_a_wrong_page() -> None:
    client = make_client()
    cursor = client.get("/alerts?limit=5").json()["next"].partition("cursor=")[2]
    response = client.get(f"/alerts?limit=5&severity=high&cursor={cursor}")
    assert response.status_code == 400 and "other filters" in response.json()["detail"]
    assert client.get(f"/alerts?limit=50&cursor={cursor}").status_code == 200, "the size of a page may change"


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("form=2025-04-07", 422, "did you mean from?"),
        ("limit=5&limit=6", 422, "more than once"),
        ("severity=urgent", 422, "query.severity"),
        ("limit=0", 422, "query.limit"),
        ("limit=1001", 422, "query.limit"),
        ("from=2025-04-07T10:00:00", 422, "RFC 3339"),
        ("from=2025-04-08&to=2025-04-07", 400, "must lie before"),
        ("from=0001-01-01", 400, "1824"),
        ("cursor=AAAA", 400, "cursor"),
        ("symbol=A%20B", 422, "query.symbol"),
    ],
)
def test_a_wrong_parameter_is_an_error_that_names_it(query: str, status: int, says: str) -> None:
    response = make_client(1).get(f"/alerts?{query}")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert says in response.json()["detail"]


def test_an_alert_is_told_with_its_signals_its_explanation_and_its_case() -> None:
    alert = ALERTS[3]
    detail = make_client().get(f"/v1/alerts/{alert.alert_id}").json()
    assert detail["alert"]["alert_id"] == alert.alert_id
    assert detail["explanation"]["sentence"] == alert.message
    assert [signal["alert_id"] for signal in detail["signals"]] == [alert.alert_id]
    assert detail["case"]["version"] == 0 and detail["case"]["status"] == "open"
    assert detail["signals_next"] is None


def test_the_signals_beyond_the_detail_are_one_link_away() -> None:
    store = MemoryAlertStore()
    alert = make_alert()
    from tests.factories import make_signal

    store.upsert([alert], [make_signal(alert_id=alert.alert_id, k=k) for k in range(230)])
    client = make_client(1, alerts=store)
    detail = client.get(f"/v1/alerts/{alert.alert_id}").json()
    rest = [signal for page in follow(client, detail["signals_next"]) for signal in page["items"]]
    assert len({signal["signal_id"] for signal in detail["signals"] + rest}) == 230


@pytest.mark.parametrize("path", ["/v1/alerts/{}", "/v1/alerts/{}/signals", "/v1/alerts/{}/case", "/v1/incidents/{}"])
def test_what_is_not_there_is_a_404_and_what_is_no_id_a_422(path: str) -> None:
    client = make_client(1)
    assert client.get(path.format("0" * 32)).status_code == 404
    assert client.get(path.format("xyz")).status_code == 422


def test_incidents_are_paged_and_lead_to_their_alerts() -> None:
    client = make_client()
    incidents = [item for page in follow(client, "/v1/incidents?limit=30") for item in page["items"]]
    assert sum(len(i["alerts"]) for i in incidents) == 250
    detail = client.get(f"/v1/incidents/{incidents[0]['incident_id']}").json()
    assert [a["alert_id"] for a in detail["alerts"]] == incidents[0]["alerts"]


def test_the_many_alerts_of_one_incident_are_one_link_away() -> None:
    store = MemoryAlertStore()
    store.upsert([make_alert(onset_k=k, incident_id="1" * 32) for k in range(150)], [])
    client = make_client(1, alerts=store)
    detail = client.get(f"/v1/incidents/{'1' * 32}").json()
    rest = [item for page in follow(client, detail["alerts_next"]) for item in page["items"]]
    assert len({a["alert_id"] for a in detail["alerts"] + rest}) == 150


def test_dead_letters_are_paged_in_the_order_in_which_they_came() -> None:
    items = [item for page in follow(make_client(1), "/v1/dead-letters?limit=40") for item in page["items"]]
    assert [item["position"] for item in items] == list(range(150))
    assert items[0]["reason"] == "not a number"
