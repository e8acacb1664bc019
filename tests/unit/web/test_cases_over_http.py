from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.errors import CommitRefusedError, RetryableError
from tapewatch.stores.memory.cases import MemoryCaseStore
from tests.factories import make_alerts
from tests.unit.web.support import follow, make_client

ALERT = make_alerts(250)[0].alert_id


def post(client: TestClient, action: str, body: Any = None, **headers: str) -> Any:  # Any: a response's JSON
    return client.post(
        f"/v1/alerts/{ALERT}/{action}", json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_a_case_is_worked_from_open_to_closed_and_all_of_it_is_in_the_audit() -> None:
    client = make_client()
    assert post(client, "acknowledge").json()["status"] == "acknowledged"
    assert post(client, "assign", {"assignee": "m.rossi"}).json()["assignee"] == "m.rossi"
    assert (
        post(client, "comments", {"text": "odd prints", "author": "m.rossi"}).json()["comments"][0]["text"]
        == "odd prints"
    )
    closed = post(client, "close", {"disposition": "news", "text": "earnings"})
    assert closed.json()["status"] == "closed" and closed.headers["etag"] == '"4"'
    assert client.get(f"/v1/alerts/{ALERT}/case").json() == closed.json()
    assert client.get(f"/v1/alerts/{ALERT}").json()["case"] == closed.json()
    assert client.get("/alerts?limit=1&order=oldest").json()["cases"] == {ALERT: closed.json()}
    entries = [entry for page in follow(client, f"/v1/audit?subject={ALERT}&limit=2") for entry in page["items"]]
    assert [entry["action"] for entry in entries] == ["acknowledge", "assign", "comment", "close"]
    assert [entry["seq"] for entry in entries] == sorted(entry["seq"] for entry in entries)
    assert post(client, "assign", {"assignee": None}).status_code == 409
    assert post(client, "reopen").json()["status"] == "acknowledged"


def test_if_match_does_it_only_at_that_version() -> None:
    client = make_client()
    version = client.get(f"/v1/alerts/{ALERT}/case").headers["etag"]
    assert post(client, "acknowledge", if_match=version).status_code == 200
    outdated = post(client, "close", {"disposition": "news"}, if_match=version)
    assert outdated.status_code == 412
    assert client.get(f"/v1/alerts/{ALERT}/case").json()["status"] == "acknowledged"


def test_comments_made_at_the_same_time_are_all_kept() -> None:
    client = make_client()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda k: post(client, "comments", {"text": f"note {k}"}).status_code, range(24)))
    kept = len(client.get(f"/v1/alerts/{ALERT}/case").json()["comments"])
    assert kept == answers.count(200), "an answer of 200 is a comment that is kept"
    assert set(answers) <= {200, 409} and kept > 0


class _AlwaysBeaten(MemoryCaseStore):
    def put(self, case: Case, entry: AuditEntry) -> AuditEntry:
        raise CommitRefusedError("version", case.version, case.version)


def test_whoever_is_beaten_every_time_is_told_so() -> None:
    assert post(make_client(cases=_AlwaysBeaten()), "acknowledge").status_code == 409


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("close", {}),
        ("close", {"disposition": "boring"}),
        ("comments", {"text": ""}),
        ("comments", {"text": 5}),
        ("comments", {"text": "x", "colour": "red"}),
        ("comments", None),
        ("assign", {}),
        ("acknowledge", {"author": " "}),
        ("acknowledge", {"author": "a\nb"}),
        ("acknowledge", []),
    ],
)
def test_a_wrong_body_is_a_422_that_names_the_field_and_changes_nothing(action: str, body: Any) -> None:
    client = make_client()
    response = post(client, action, body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"].startswith("body")
    assert client.get("/v1/audit").json()["items"] == []


def test_broken_json_and_lone_surrogates_are_a_422() -> None:
    client = make_client()
    for content in (b"{", b'{"text": "\\ud800"}', b"\xff\xfe"):
        response = client.post(
            f"/v1/alerts/{ALERT}/comments", content=content, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 422, content


class _Busy(MemoryCaseStore):
    def audit(self, subject: str | None, after: int, limit: int) -> list[AuditEntry]:
        raise RetryableError("/secret/path/cases.db is locked")


def test_a_busy_store_is_a_503_that_says_when_to_come_back_and_nothing_of_our_insides() -> None:
    response = make_client(cases=_Busy()).get("/v1/audit")
    assert response.status_code == 503 and response.headers["retry-after"] == "1"
    assert "secret" not in response.text
