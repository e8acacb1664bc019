"""What notices say."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.alerts.groups import incident_for
from tapewatch.model.market import Group, Member
from tapewatch.model.secret import Secret
from tapewatch.notify.email import compose, html
from tapewatch.notify.port import Event, Notice
from tapewatch.notify.slack import payload as slack_payload
from tapewatch.notify.webhook import payload as webhook_payload
from tapewatch.notify.webhook import signature
from tapewatch.notify.wording import clean, facts, plain_text, subject
from tests.factories import ONSET_NS, make_alert, make_incident

LINK = "https://tapewatch.example/incidents/1"


def notice(event: Event = "opened", **incident: object) -> Notice:
    return Notice(event=event, incident=make_incident(**incident), alert=make_alert(), link=LINK)


@given(st.text(max_size=300))
def test_a_cleaned_text_is_one_printable_line_and_cleaning_it_again_changes_nothing(text: str) -> None:
    once = clean(text, 100)
    assert clean(once, 100) == once
    assert len(once) <= 100
    assert len(once.splitlines()) <= 1
    assert "\x1b" not in once
    assert "\u202e" not in once


@given(st.text(max_size=200))
def test_no_symbol_can_add_a_header_to_a_mail(symbol: str) -> None:
    hostile = Notice(event="opened", incident=make_incident(symbol=symbol), alert=make_alert(symbol=symbol))
    message = compose(hostile, "from@example.org", "to@example.org", "<1@tapewatch>", ONSET_NS)
    expected = ["Subject", "From", "To", "Date", "Message-ID", "References", "Auto-Submitted"]
    head = message.as_bytes().split(b"\r\n\r\n")[0].split(b"\r\n")
    names = [line.split(b":")[0].decode() for line in head if not line.startswith((b" ", b"\t"))]
    assert names == [*expected, "MIME-Version", "Content-Type"]


def test_the_text_has_the_sentence_the_facts_and_where_to_look() -> None:
    text = plain_text(notice())
    assert make_incident().message in text
    assert LINK in text
    assert "high (score 82)" in text
    assert "240" in text


def test_what_is_unknown_is_left_out() -> None:
    bare = Notice(event="opened", incident=make_incident(), alert=make_alert(notional=None, notional_ratio=None))
    assert "Traded" not in dict(facts(bare))
    assert "Detected" not in dict(facts(bare))
    assert dict(facts(notice()))["Traded"].endswith("6.3 x normal")


@pytest.mark.parametrize(
    ("notional", "shown"), [(0.04275, "0.0428 BTC"), (1_234_567.0, "1,234,567 BTC"), (0.0, "0 BTC")]
)
def test_small_money_is_not_written_as_none(notional: float, shown: str) -> None:
    alert = make_alert(notional=notional, notional_ratio=None, currency="BTC")
    assert dict(facts(Notice(event="opened", incident=make_incident(), alert=alert)))["Traded"] == shown


def test_the_end_says_why() -> None:
    ended = Notice(
        event="resolved",
        incident=make_incident(state="resolved", open_alerts=0),
        alert=make_alert(state="resolved", change="resolved", reason="new_level"),
    )
    assert dict(facts(ended))["State"] == "resolved (new level), final"
    assert subject(ended).endswith("- resolved")


def test_html_escapes_and_links_only_the_web() -> None:
    hostile = msgspec.structs.replace(notice(message='<script>alert("x")</script>'), link="javascript:alert(1)")
    page = html(hostile)
    assert "<script>" not in page
    assert "javascript:" not in page
    assert f'<a href="{LINK}">' in html(notice())


def test_slack_can_neither_mention_everybody_nor_grow_beyond_its_limits() -> None:
    message = slack_payload(notice(symbol="<!channel>" * 100, message="<!here> &&&& <@U1>" * 500))
    raw = msgspec.json.encode(message).decode()
    assert "<!" not in raw
    assert "<@" not in raw
    header, section, fields, foot = message["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert len(section["text"]["text"]) <= 3_000
    assert len(fields["fields"]) <= 10
    assert all(len(field["text"]) <= 2_000 for field in fields["fields"])
    assert foot["elements"][0]["text"].startswith(f"<{LINK}|Look at it>")


def test_the_webhook_has_alertmanagers_shape_and_ours_beside_it() -> None:
    body = msgspec.json.decode(msgspec.json.encode(webhook_payload(notice(), "desk")))
    one = body["alerts"][0]
    assert (body["version"], body["status"], body["receiver"]) == ("4", "firing", "desk")
    assert one["labels"]["alertname"] == "price_move"
    assert (one["startsAt"], one["endsAt"]) == ("2025-04-07T14:10:00Z", "0001-01-01T00:00:00Z")
    assert one["generatorURL"] == LINK
    assert all(isinstance(value, str) for value in one["labels"].values())
    assert body["tapewatch"]["event"] == "opened"
    assert body["tapewatch"]["incident"] == msgspec.to_builtins(make_incident())
    assert body["tapewatch"]["alert"] == msgspec.json.decode(msgspec.json.encode(make_alert()))


@pytest.mark.parametrize("state", ["resolved", "retracted"])
def test_an_incident_that_ended_is_resolved_with_its_end(state: str) -> None:
    body = webhook_payload(notice("resolved", state=state, open_alerts=0), "desk")
    assert body["status"] == body["alerts"][0]["status"] == "resolved"
    assert body["alerts"][0]["endsAt"] == "2025-04-07T14:10:00Z"


def test_the_signature_is_what_others_compute() -> None:
    # Computed with: printf '{"a":1}' | openssl dgst -sha256 -hmac key
    expected = "88a67f24bbcdaed0e6c997404bb79a743baf44c6bab2f4c27328e3009d22e342"
    assert signature(Secret("key"), b'{"a":1}') == f"sha256={expected}"


def test_a_group_is_told_with_its_market_and_every_member() -> None:
    members = [Member("binance", f"C{i}/USDT", "drop", 1, -4.0 - i) for i in range(30)]
    group = Group(
        group_id="a" * 32, revision=1, market="binance:USDT", state="open", direction="drop", from_ns=0,
        opened_ns=ONSET_NS, last_ns=ONSET_NS, until_ns=ONSET_NS, active=40, past=30, move_pct=-5.5, members=members,
        message="binance:USDT fell as a whole.",
    )  # fmt: skip
    whole = msgspec.structs.replace(
        notice(), group=group, incident=incident_for(group, [make_incident(), make_incident(symbol="B")])
    )
    told = dict(facts(whole))
    assert subject(whole) == "[HIGH] binance:USDT market (30 symbols) drop -5.50 % - opened"
    assert told["Members"].startswith("C0/USDT (binance) drop -4.00 %; ")
    assert told["Members"].endswith("and 5 more")
    assert plain_text(whole).startswith("binance:USDT fell as a whole.\n")
