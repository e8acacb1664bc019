import pytest

from tapewatch.model.times import MINUTE_NS, format_rfc3339
from tests.factories import ONSET_NS
from tests.unit.web.support import NOW_NS, follow, make_client


def test_following_next_gives_every_bar_of_the_range_once() -> None:
    pages = list(follow(make_client(1), "/v1/ticks/TSLA?from=2025-04-07T14:00:00Z&to=2025-04-08&limit=100"))
    stamps = [bar["timestamp"] for page in pages for bar in page["items"]]
    assert stamps == [format_rfc3339(ONSET_NS + k * MINUTE_NS) for k in range(240)]
    assert {page["interval"] for page in pages} == {"1m"} and len(pages) == 6


def test_a_longer_interval_joins_the_bars() -> None:
    bars = (
        make_client(1)
        .get("/v1/ticks/TSLA?from=2025-04-07T14:10:00Z&to=2025-04-07T18:10:00Z&interval=1h")
        .json()["items"]
    )
    assert 4 <= len(bars) <= 5


def test_without_a_range_it_is_the_newest_stretch_up_to_now() -> None:
    client = make_client(1, now=lambda: ONSET_NS + 10 * MINUTE_NS)
    page = client.get("/v1/ticks/TSLA?limit=5").json()
    assert [bar["timestamp"] for bar in page["items"]] == [
        format_rfc3339(ONSET_NS + k * MINUTE_NS) for k in range(5, 10)
    ]
    assert page["next"] is None


def test_the_end_stays_where_it_was_on_the_first_page_though_time_goes_on() -> None:
    moments = iter(range(NOW_NS, NOW_NS + 100 * MINUTE_NS, MINUTE_NS))
    client = make_client(1, now=lambda: next(moments))
    start = format_rfc3339(NOW_NS - 30 * MINUTE_NS)
    assert len(list(follow(client, f"/v1/ticks/TSLA?from={start}&limit=10"))) == 3


@pytest.mark.parametrize("written", ["tsla", "Tsla"])
def test_a_symbol_is_found_in_any_case_on_every_page(written: str) -> None:
    where = "?from=2025-04-07T14:00:00Z&to=2025-04-08&limit=100"
    found, expected = (list(follow(make_client(1), f"/v1/ticks/{name}{where}")) for name in (written, "TSLA"))
    assert [page["items"] for page in found] == [page["items"] for page in expected] != []
    assert {page["symbol"] for page in found} == {"TSLA"}


def test_an_unknown_symbol_has_no_bars_and_a_venue_can_be_named() -> None:
    client = make_client(1)
    assert client.get("/v1/ticks/BTC%2FUSDT").json()["venue"] == "binance"
    page = client.get("/v1/ticks/TSLA?venue=binance&from=2025-04-07&to=2025-04-08&limit=5000").json()
    assert page["items"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("interval=0m", 422),
        ("interval=week", 422),
        ("limit=10001", 422),
        ("from=2025-04-08&to=2025-04-07", 400),
        ("cursor=AAAA", 400),
        ("from=9999-12-31", 400),
    ],
)
def test_a_wrong_question_is_an_error(query: str, status: int) -> None:
    assert make_client(1).get(f"/v1/ticks/TSLA?{query}").status_code == status


@pytest.mark.parametrize("interval", ["1ms", "999999m", "9999h", "999d"])
def test_the_shortest_and_the_longest_interval_work_over_all_of_time(interval: str) -> None:
    query = f"from=1900-01-01&to=2262-01-01&interval={interval}&limit=10000"
    assert make_client(1).get(f"/v1/ticks/TSLA?{query}").status_code == 200
