"""Who is told: routing, silences, inhibition, each with its reason."""

import pytest

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.routing import Route
from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import Alert
from tests.factories import ONSET_NS, make_alert
from tests.unit.notify.notify_fakes import FakeChannel, decider, make_notice

MAIL = FakeChannel("email", ("a@example.org", "b@example.org"))
CHAT = FakeChannel("slack", ("slack",))


def dead_feed(**overrides: object) -> Alert:
    return make_alert(**({"rule": "stale_feed", "category": "data_quality", "direction": "none"} | overrides))


def test_a_channel_means_all_its_recipients_and_a_recipient_only_that_one() -> None:
    routes = (
        Route(match=Matcher(), targets=("slack", "email:b@example.org")),
        Route(match=Matcher(min_severity="critical"), targets=("email",)),
    )
    calm = decider(MAIL, CHAT, routes=routes).decide(make_notice(), ONSET_NS)
    grave = decider(MAIL, CHAT, routes=routes).decide(make_notice(score=95.0), ONSET_NS)
    assert calm.recipients == (("slack", "slack"), ("email", "b@example.org"))
    assert grave.recipients == (*calm.recipients, ("email", "a@example.org"))


def test_a_silence_mutes_beginning_and_end_and_says_whose_it_is() -> None:
    match = Matcher(venues=("X*",))
    silence = Silence(silence_id="s7", owner="mr", reason="drill", expires_ns=ONSET_NS + 1, match=match)
    stages = decider(CHAT, silences=[silence])
    decision = stages.decide(make_notice(), ONSET_NS)
    assert (decision.why, decision.recipients) == ("silence", (("slack", "slack"),))
    assert decision.reason == "silence s7 of mr until 2025-04-07T14:10:00.000000001Z: drill"
    assert stages.decide(make_notice(event="resolved"), ONSET_NS).why == "silence"
    assert stages.decide(make_notice(), ONSET_NS + 1).why is None


def test_a_dead_feed_mutes_the_price_but_never_the_end() -> None:
    stages = decider(CHAT, open_quality=[dead_feed()])
    assert stages.decide(make_notice(), ONSET_NS).why == "inhibition"
    assert stages.decide(make_notice(event="worsened"), ONSET_NS).why == "inhibition"
    assert stages.decide(make_notice(event="resolved"), ONSET_NS).why is None


@pytest.mark.parametrize(
    "alert",
    [
        dead_feed(symbol="AAPL"),
        dead_feed(venue="binance"),
        dead_feed(state="resolved"),
        dead_feed(rule="bad_print"),
        dead_feed(category="price"),
    ],
)
def test_nothing_else_mutes_the_price(alert: Alert) -> None:
    assert decider(CHAT, open_quality=[alert]).decide(make_notice(), ONSET_NS).why is None


def test_a_dead_feed_of_the_whole_venue_mutes_every_symbol_but_not_itself() -> None:
    stages = decider(CHAT, open_quality=[dead_feed(symbol="*")])
    assert stages.decide(make_notice(), ONSET_NS).why == "inhibition"
    assert stages.decide(make_notice(category="data_quality"), ONSET_NS).why is None
