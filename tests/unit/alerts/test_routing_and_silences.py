"""Matchers, routes and silences of the pure core."""

from typing import Any

import pytest

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.routing import Route, targets_of
from tapewatch.alerts.silences import Silence, silenced_by
from tests.factories import ONSET_NS, make_alert, make_incident

TSLA, ALERT = make_incident(), make_alert()
BITCOIN = make_incident(symbol="BTC/USDT", venue="binance")


def silence(**overrides: Any) -> Silence:
    given: dict[str, Any] = {"silence_id": "s", "owner": "mr", "reason": "drill", "expires_ns": ONSET_NS + 10}
    return Silence(**(given | {"match": Matcher(symbols=("*",))} | overrides))


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(),
        Matcher(symbols=("AAPL", "tsl?")),
        Matcher(venues=("xn*",)),
        Matcher(rules=("price_move",)),
        Matcher(categories=("price",)),
        Matcher(min_severity="high", max_severity="high"),
    ],
)
def test_what_matches(matcher: Matcher) -> None:
    assert matcher.matches(TSLA, ALERT)


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(symbols=("AAPL",)),
        Matcher(symbols=("TSLA",), venues=("binance",)),
        Matcher(rules=("zscore",)),
        Matcher(categories=("volume", "data_quality")),
        Matcher(min_severity="critical"),
        Matcher(max_severity="medium"),
    ],
)
def test_what_does_not_match(matcher: Matcher) -> None:
    assert not matcher.matches(TSLA, ALERT)


def test_a_star_reaches_over_the_slash_of_a_pair() -> None:
    assert Matcher(symbols=("BTC*",)).matches(BITCOIN, ALERT)
    assert Matcher(symbols=("*/USDT",)).matches(BITCOIN, ALERT)
    assert not Matcher(symbols=("BTC",)).matches(BITCOIN, ALERT)


def test_all_routes_that_match_count_and_nobody_is_named_twice() -> None:
    routes = [
        Route(match=Matcher(), targets=("console", "email")),
        Route(match=Matcher(symbols=("AAPL",)), targets=("pager",)),
        Route(match=Matcher(min_severity="high"), targets=("slack", "email")),
    ]
    assert targets_of(routes, TSLA, ALERT) == ("console", "email", "slack")
    assert targets_of([], TSLA, ALERT) == ()


def test_a_silence_holds_from_its_start_until_just_before_its_end() -> None:
    one = silence(starts_ns=ONSET_NS)
    assert [one.mutes(TSLA, ALERT, ONSET_NS + k) for k in (-1, 0, 9, 10)] == [False, True, True, False]


def test_the_silence_that_lasts_longest_is_the_reason() -> None:
    short, long = silence(silence_id="short"), silence(silence_id="long", expires_ns=ONSET_NS + 20)
    assert (silenced_by([long, short], TSLA, ALERT, ONSET_NS) or "").startswith("silence long of mr")
    assert silenced_by([silence(match=Matcher(symbols=("AAPL",)))], TSLA, ALERT, ONSET_NS) is None


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"owner": " "}, "owner"),
        ({"reason": ""}, "reason"),
        ({"silence_id": ""}, "silence_id"),
        ({"match": Matcher()}, "match"),
        ({"starts_ns": ONSET_NS + 10}, "after it starts"),
    ],
)
def test_a_silence_that_nobody_could_answer_for_is_refused(overrides: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        silence(**overrides)
