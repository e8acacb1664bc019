import logging

import pytest
from starlette.testclient import TestClient

from tapewatch.model.errors import DeniedError, RetryableError
from tapewatch.stores.memory.alerts import MemoryAlertStore
from tapewatch.stores.port import AlertQuery
from tests.unit.web.support import make_client


def test_alive_is_not_ready() -> None:
    client = make_client(1, readiness={"store": lambda: "the disk is full", "feed": lambda: None})
    assert client.get("/healthz").status_code == 200
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["checks"] == {"store": "the disk is full", "feed": None}
    assert "store" in response.json()["detail"] and "feed" not in response.json()["detail"]


def test_a_check_that_cannot_be_made_has_failed() -> None:
    def unreachable() -> None:
        raise RetryableError("redis does not answer")

    def broken_disk() -> None:
        raise OSError("/secret/path")

    response = make_client(1, readiness={"redis": unreachable, "disk": broken_disk}).get("/readyz")
    assert response.json()["checks"] == {"redis": "redis does not answer", "disk": "OSError"}


def test_requests_are_counted_by_template_refusals_and_errors_included() -> None:
    client = make_client(5, status=lambda: 1 / 0)
    client.get("/alerts/TSLA")
    client.get("/alerts/BTC/USDT")
    client.get("/nothing/at/all")
    client.get("/alerts", headers={"Host": "evil.example"})
    client.get("/v1/status")
    client.request("BREW", "/alerts")
    text = client.get("/metrics").text
    assert 'tapewatch_http_requests_total{method="GET",route="/alerts/{symbol}",status="200"} 2.0' in text
    assert 'tapewatch_http_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'tapewatch_http_requests_total{method="GET",route="none",status="421"} 1.0' in text
    assert 'tapewatch_http_requests_total{method="GET",route="/v1/status",status="500"} 1.0' in text
    assert 'method="BREW"' not in text and 'method="other"' in text
    assert "tapewatch_http_request_seconds_bucket" in text and "nothing" not in text


def test_an_error_inside_tells_nothing_but_where_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> dict[str, object]:
        raise RuntimeError("password=hunter2")

    response = make_client(1, status=broken).get("/v1/status")
    problem = response.json()
    assert response.status_code == 500 and "hunter2" not in response.text and "Traceback" not in response.text
    assert problem["error_id"] in caplog.text and response.headers["x-content-type-options"] == "nosniff"


def test_the_log_has_no_query(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tapewatch"):
        make_client(1).post("/v1/reports?recipient_email=anna@example.org")
    assert "/v1/reports 202" in caplog.text and "anna" not in caplog.text


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/alerts"), ("PUT", "/v1/audit"), ("DELETE", "/v1/audit"), ("GET", "/v1/reports")]
)
def test_a_method_that_is_not_taken_is_a_405_that_says_which_are(method: str, path: str) -> None:
    response = make_client(1).request(method, path)
    assert response.status_code == 405 and response.headers["allow"]
    assert response.json()["title"] == "Method Not Allowed"


def test_the_documentation_works_without_a_network() -> None:
    client = make_client(1)
    page = client.get("/docs")
    assert (
        "//" not in page.text.replace("<!doctype html>", "")
        and "script-src 'self'" in page.headers["content-security-policy"]
    )
    for name in ("docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"):
        assert name in page.text
        assert client.get(f"/{name}").status_code == 200
    assert client.get("/docs/passwd").status_code == 404
    assert client.get("/", follow_redirects=False).headers["location"] == "/docs"


def test_every_operation_documents_its_problems_and_every_reference_leads_somewhere() -> None:
    document = make_client(1).get("/openapi.json").json()
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"401", "403", "421", "422"} <= set(operation["responses"])
            assert operation["summary"]
    text = str(document)
    for name in {part.partition("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


def test_the_store_is_never_asked_on_the_event_loop() -> None:
    import asyncio

    class Watching(MemoryAlertStore):
        def page(self, query: AlertQuery) -> list[object]:  # type: ignore[override]  # it only ever raises
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            raise RetryableError("seen")

    client: TestClient = make_client(1, alerts=Watching())
    assert client.get("/alerts").status_code == 503


def test_a_store_that_refuses_the_servers_own_credentials_is_not_the_clients_mistake() -> None:
    class Closed(MemoryAlertStore):
        def page(self, query: AlertQuery) -> list[object]:  # type: ignore[override]  # it only ever raises
            raise DeniedError("Elasticsearch does not let us (401) for user desk")

    why = "check credentials and permissions"
    answer = make_client(1, alerts=Closed(), readiness={"elasticsearch": lambda: why}).get("/v1/alerts")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"elasticsearch": why}
    assert "desk" not in answer.json()["detail"]
