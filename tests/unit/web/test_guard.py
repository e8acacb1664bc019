import pytest
from starlette.testclient import TestClient

from tapewatch.model.errors import InputError
from tapewatch.web.api.deps import ApiSettings
from tapewatch.web.api.keys import ApiKey, new_key
from tests.unit.web.support import make_app, make_client

KEY, HASH = new_key()
KEYED = ApiSettings(api_keys=(ApiKey(name="desk", hash=HASH),), stream_max_age_s=0.05)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "desk.example.org"])
def test_an_address_that_others_reach_is_refused_while_no_key_is_set(host: str) -> None:
    with pytest.raises(InputError, match="no API key is set"):
        make_app(1, settings=ApiSettings(host=host))
    make_app(1, settings=ApiSettings(host=host, api_keys=KEYED.api_keys))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_key(host: str) -> None:
    make_app(1, settings=ApiSettings(host=host))


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io:8000", "a b", "[::1"])
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    response = make_client(1).get("/alerts", headers={"Host": host})
    assert response.status_code == 421
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "10.0.0.5", "api.desk.org:9"]
)
def test_own_names_listed_names_and_addresses_are_let_in(host: str) -> None:
    client = make_client(1, settings=ApiSettings(allowed_hosts=("api.desk.org",)))
    assert client.get("/alerts", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "file://", "http://[bad"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/reports"), ("GET", "/v1/stream/alerts"), ("GET", "/alerts")]
)
def test_a_page_of_another_origin_cannot_call(origin: str, method: str, path: str) -> None:
    response = make_client(1).request(method, path, headers={"Origin": origin})
    assert response.status_code == 403


def test_a_page_of_our_own_or_of_a_listed_origin_can_call() -> None:
    client = make_client(1, settings=ApiSettings(allowed_origins=("https://desk.example.org",)))
    for origin in ("http://localhost:8000", "https://desk.example.org"):
        assert client.post("/v1/reports?format=csv", headers={"Origin": origin}).status_code == 200


def test_a_request_that_a_browser_marks_as_cross_site_is_refused_even_without_an_origin() -> None:
    client = make_client(1)
    assert client.get("/v1/stream/alerts", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/docs", headers=visit).status_code == 200
    assert client.post("/v1/reports", headers=visit).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": ""}, {"Authorization": KEY}])
@pytest.mark.parametrize("path", ["/alerts", "/v1/alerts", "/metrics", "/v1/stream/alerts", "/nothing", "/v1/docs"])
def test_without_the_key_nothing_is_told(path: str, headers: dict[str, str]) -> None:
    response = make_client(1, settings=KEYED).get(path, headers=headers)
    assert response.status_code == 401
    assert "bearer" in response.headers["www-authenticate"].lower()


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer {KEY}"}, {"X-API-Key": KEY}]
)
def test_the_key_opens_by_either_header(headers: dict[str, str]) -> None:
    assert make_client(1, settings=KEYED).get("/alerts", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/docs/swagger-ui.css"])
def test_probes_and_documentation_need_no_key(path: str) -> None:
    assert make_client(1, settings=KEYED).get(path).status_code == 200


def test_a_key_in_the_address_is_not_taken_for_one() -> None:
    assert make_client(1, settings=KEYED).get(f"/alerts?api_key={KEY}").status_code == 401


def test_the_name_of_the_key_is_the_actor_in_the_audit() -> None:
    client = make_client(5, settings=KEYED)
    headers = {"X-API-Key": KEY}
    alert_id = client.get("/alerts", headers=headers).json()["items"][0]["alert_id"]
    client.post(f"/v1/alerts/{alert_id}/acknowledge", headers=headers, json={"author": "ben"})
    entry = client.get("/v1/audit", headers=headers).json()["items"][0]
    assert entry["actor"] == "desk" and entry["detail"]["author"] == "ben"


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_the_limit_is_refused_whether_it_says_so_or_not(declared: bool) -> None:
    client = make_client(5)
    alert_id = client.get("/alerts").json()["items"][0]["alert_id"]
    body = b'{"text": "' + b"x" * 70_000 + b'"}'
    content = body if declared else (body[i : i + 1_000] for i in range(0, len(body), 1_000))
    response = client.post(
        f"/v1/alerts/{alert_id}/comments", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/alerts", "/nothing", "/alerts?from=x", "/healthz"])
def test_every_answer_is_hardened(path: str) -> None:
    headers = make_client(1).get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_keys_never_show_in_what_the_application_can_be_printed_as() -> None:
    client = TestClient(make_app(1, settings=KEYED), base_url="http://localhost")
    text = client.get("/alerts", headers={"X-API-Key": KEY + "x"}).text
    assert KEY not in text and HASH not in text
