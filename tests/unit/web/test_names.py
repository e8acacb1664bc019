"""A filter by a rule or a type that does not exist is an error, not an empty list."""

import pytest

from tapewatch.stores.memory.alerts import MemoryAlertStore
from tapewatch.web.api.deps import KnownNames
from tests.factories import make_alert
from tests.unit.web.support import make_client

KNOWN = KnownNames(rules=frozenset({"price_move_1m", "volume_spike"}), types=frozenset({"rise", "drop", "stale_feed"}))


@pytest.mark.parametrize("path", ["/alerts", "/v1/alerts", "/alerts/TSLA", "/v1/stream/alerts"])
@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("rule=price_move_1", "query.rule", "did you mean price_move_1m?"),
        ("rule=qqqq", "query.rule", "known are price_move_1m, volume_spike"),
        ("type=stale_fed", "query.type", "did you mean stale_feed?"),
        ("rule=volume_spike&rule=volume_spik", "query.rule", "'volume_spik'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(path: str, query: str, field: str, told: str) -> None:
    answer = make_client(names=KNOWN).get(f"{path}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert error["field"] == field and told in error["message"], error


def test_incidents_know_the_same_types() -> None:
    client = make_client(names=KNOWN)
    assert client.get("/v1/incidents?type=stale_fed").status_code == 422
    assert client.get("/v1/incidents?type=drop").status_code == 200


def test_every_wrong_name_is_named() -> None:
    errors = make_client(names=KNOWN).get("/alerts?rule=a&rule=b&type=c").json()["errors"]
    assert [error["field"] for error in errors] == ["query.rule", "query.rule", "query.type"]


def test_a_rule_in_force_that_never_fired_gives_an_empty_list() -> None:
    client = make_client(names=KNOWN, alerts=MemoryAlertStore())
    answer = client.get("/alerts?rule=volume_spike&type=rise")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


def test_a_rule_that_is_gone_is_still_found_while_the_history_has_it() -> None:
    store = MemoryAlertStore()
    store.upsert([make_alert(rule="last_years", direction="none", alert_type="of_a_plug_in")], [])
    client = make_client(names=KNOWN, alerts=store)
    for query in ("rule=last_years", "type=of_a_plug_in", "rule=last_years&severity=critical&type=drop"):
        assert client.get(f"/alerts?{query}").status_code == 200, query
    assert len(client.get("/alerts?rule=last_years").json()["items"]) == 1
