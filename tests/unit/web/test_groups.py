"""Market-wide moves, and incidents joined with them."""

from tapewatch.alerts.groups import close_group, open_group
from tapewatch.model.market import Group, MarketFindings, MarketMinute, Past
from tapewatch.model.times import MINUTE_NS
from tapewatch.stores.memory import MemoryAlertStore, MemoryGroupStore
from tests.factories import ONSET_NS, make_alert
from tests.unit.web.support import follow, make_client

COINS = ("ALGO/USDT", "AVAX/USDT", "FIL/USDT", "NEAR/USDT")
ALERTS = [
    make_alert(venue="binance", symbol=coin, currency="USDT", message=f"{coin} fell; no market reference.")
    for coin in COINS
]


def moved(number: int) -> tuple[Group, MarketMinute]:
    onset_ns = ONSET_NS + number * 300 * MINUTE_NS
    past = [Past("binance", coin, False, onset_ns, -6_000_000, -60_000) for coin in COINS]
    minute = MarketMinute(
        "binance:USDT", onset_ns + MINUTE_NS, 4, 0, 4, 0, 4, 4, -24_000_000, 144_000_000, -240_000, past
    )
    group = open_group(minute)
    assert group is not None
    return group, minute


def store_of(n: int) -> MemoryGroupStore:
    store = MemoryGroupStore()
    pairs = [moved(k) for k in range(n)]
    groups = [g for g, _ in pairs] + [close_group(pairs[0][0])]
    store.put(MarketFindings(groups, [m for _, m in pairs]))
    return store


def alerts() -> MemoryAlertStore:
    store = MemoryAlertStore()
    store.upsert([*ALERTS, make_alert(symbol="TSLA")], [])
    return store


def test_groups_are_paged_filtered_and_read_with_their_incidents() -> None:
    client = make_client(groups=store_of(5), alerts=alerts())
    items = [g for page in follow(client, "/v1/groups?limit=2&order=oldest") for g in page["items"]]
    assert [g["opened"] for g in items] == sorted(g["opened"] for g in items)
    assert len({g["group_id"] for g in items}) == 5
    closed = client.get("/v1/groups?state=closed&market=binance:USDT").json()["items"]
    assert [g["group_id"] for g in closed] == [items[0]["group_id"]]
    assert client.get("/v1/groups?market=XNYS").json()["items"] == []
    detail = client.get(f"/v1/groups/{items[0]['group_id']}").json()
    assert [m["symbol"] for m in detail["group"]["members"]] == list(COINS)
    assert sorted(i["symbol"] for i in detail["incidents"]) == list(COINS)
    assert client.get(f"/v1/groups/{'0' * 32}").status_code == 404
    assert client.get("/v1/groups?cursor=none").status_code == 400


def test_incidents_and_alerts_tell_their_group_and_whether_the_market_moved_with_them() -> None:
    store = store_of(1)
    client = make_client(groups=store, alerts=alerts())
    items = {i["symbol"]: i for i in client.get("/v1/incidents").json()["items"]}
    one = items["FIL/USDT"]
    assert one["group_id"] == moved(0)[0].group_id
    assert (one["market"]["others"], one["market"]["residual_pct"]) == (3, 0.0)
    assert "the market moved with it: 3 of 3 others" in one["message"]
    assert (items["TSLA"]["group_id"], items["TSLA"]["market"]) == (None, None)
    listed = {a["symbol"]: a for a in client.get("/v1/alerts").json()["items"]}
    assert listed["FIL/USDT"]["market"].startswith("the market moved with it")
    detail = client.get(f"/v1/alerts/{ALERTS[0].alert_id}").json()
    assert detail["explanation"]["market"].startswith("the market moved with it")
