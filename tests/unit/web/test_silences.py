"""Silences through the API: who made them, what they mute, when they end, and the audit of all that."""

from typing import Any

import pytest

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.silences import Silence
from tapewatch.model.times import HOUR_NS, format_rfc3339
from tests.unit.web.support import NOW_NS, make_client

LATER = format_rfc3339(NOW_NS + HOUR_NS)


def body(**changes: Any) -> dict[str, Any]:
    return {"reason": "drill", "expires": LATER, "match": {"symbols": ["BTC/*"]}} | changes


def test_a_silence_is_made_listed_and_ended_and_each_step_is_in_the_audit() -> None:
    fixed = Silence(silence_id="night", owner="ops", reason="r", expires_ns=NOW_NS - 1, match=Matcher(venues=("X",)))
    client = make_client(fixed_silences=[fixed])
    made = client.post("/v1/silences", json=body(owner="ann"))
    assert made.status_code == 201
    silence = made.json()
    assert (silence["owner"], silence["state"], silence["match"]["symbols"]) == ("ann", "active", ["BTC/*"])
    listed = client.get("/v1/silences").json()["items"]
    assert [(s["silence_id"], s["source"], s["state"]) for s in listed] == [
        ("night", "settings", "expired"),
        (silence["silence_id"], "api", "active"),
    ]
    assert [s["owner"] for s in client.get("/v1/silences?state=active").json()["items"]] == ["ann"]
    ended = client.post(f"/v1/silences/{silence['silence_id']}/expire")
    assert (ended.status_code, ended.json()["state"]) == (200, "expired")
    assert client.post(f"/v1/silences/{silence['silence_id']}/expire").status_code == 409
    audit = client.get(f"/v1/audit?subject={silence['silence_id']}").json()["items"]
    assert [(e["action"], e["actor"]) for e in audit] == [("create_silence", "local"), ("expire_silence", "local")]
    assert audit[0]["detail"] == {
        "owner": "ann",
        "expires": LATER,
        "reason": "drill",
        "match": "symbols BTC/*; min_severity low; max_severity critical",
    }


def test_one_that_has_not_begun_can_be_called_off() -> None:
    client = make_client()
    starts = format_rfc3339(NOW_NS + HOUR_NS // 2)
    made = client.post("/v1/silences", json=body(starts=starts)).json()
    assert (made["state"], made["owner"]) == ("pending", "local")
    assert client.post(f"/v1/silences/{made['silence_id']}/expire").json()["state"] == "expired"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"match": {}}, 400),
        ({"expires": format_rfc3339(NOW_NS)}, 400),
        ({"expires": format_rfc3339(NOW_NS + 367 * 24 * HOUR_NS)}, 400),
        ({"starts": format_rfc3339(NOW_NS + 2 * HOUR_NS)}, 400),
        ({"reason": " "}, 400),
        ({"reason": ""}, 422),
        ({"expires": "soon"}, 422),
        ({"match": {"symbol": ["TSLA"]}}, 422),
        ({"match": {"min_severity": "grave"}}, 422),
    ],
)
def test_a_silence_that_nobody_could_explain_is_refused(changes: dict[str, Any], status: int) -> None:
    client = make_client()
    refused = client.post("/v1/silences", json=body(**changes))
    assert refused.status_code == status, refused.text
    assert client.get("/v1/silences").json() == {"items": []}
    assert client.post(f"/v1/silences/{'0' * 32}/expire").status_code == 404
