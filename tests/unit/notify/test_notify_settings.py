"""The section [notify] of the settings, as TOML gives it."""

import io
import tomllib
from typing import Any

import msgspec
import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.model.times import parse_rfc3339
from tapewatch.notify.backoff import RetrySettings, delay_ns, hash_jitter
from tapewatch.notify.channels import build_channels
from tapewatch.notify.console import ConsoleChannel
from tapewatch.notify.context import Context
from tapewatch.notify.settings import NotifySettings, link_to, routes_of
from tapewatch.notify.targets import Targets
from tests.unit.notify.notify_fakes import FakeChannel, make_notice

FULL = """
link = "https://tapewatch.example/incidents/{incident_id}"

[console]
enabled = false

[email]
host = "mail.example.org"
user = "tapewatch"
password = "s3cret"
sender = "tapewatch@example.org"
recipients = ["desk@example.org", "risk@example.org"]

[[slack]]
name = "desk-chat"
url = "https://hooks.slack.com/services/s3cret"

[[webhook]]
url = "https://hooks.example.org/tapewatch"
token = "s3cret"
signing_key = "s3cret"

[targets]
allowed_hosts = ["hooks.slack.com", "*.example.org"]

[retry]
attempts = 5

[[routes]]
to = ["desk-chat", "email:desk@example.org"]
min_severity = "high"

[[routes]]
to = ["webhook"]
venues = ["binance"]
symbols = ["BTC/*"]

[[silences]]
name = "listing-day"
owner = "m.rossi"
reason = "first session of NEWCO"
symbols = ["NEWCO"]
starts = 2026-11-23T08:00:00Z
expires = 2026-11-23T22:00:00+01:00
"""


def load(text: str) -> NotifySettings:
    def secret(wanted: type, value: Any) -> Any:
        return Secret(value)

    return msgspec.convert(tomllib.loads(text), NotifySettings, dec_hook=secret)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            '[[webhook]]\nurl = "https://evil.example.com/s3cret"',
            "evil.example.com is not among notify.targets.allowed_hosts",
        ),
        ('[[slack]]\nurl = "https://evil.example.com/s3cret"', "evil.example.com is not among"),
        ('[[webhook]]\nurl = "http://hooks.slack.com/s3cret"', "hooks.slack.com: unencrypted"),
    ],
)
def test_a_url_that_no_notice_may_go_to_is_refused_when_it_is_read(table: str, told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told) as caught:
        load(table)
    assert "s3cret" not in str(caught.value)


def context(settings: NotifySettings) -> Context:
    return Context(io.StringIO(), Targets(settings.targets), lambda: 0)


def test_everything_that_can_be_set_is_read() -> None:
    settings = load(FULL)
    channels = build_channels(settings, context(settings))
    first, second = routes_of(settings, channels)
    silence = settings.silences[0].silence()
    assert [channel.name for channel in channels] == ["email", "desk-chat", "webhook"]
    assert first.targets == ("desk-chat", "email:desk@example.org")
    assert second.match.symbols == ("BTC/*",)
    assert silence.expires_ns == parse_rfc3339("2026-11-23T21:00:00Z")
    assert silence.match.symbols == ("NEWCO",)
    assert "s3cret" not in repr(settings) + repr(channels)


def test_without_settings_everything_goes_to_the_console() -> None:
    settings = load("")
    channels = build_channels(settings, context(settings))
    (route,) = routes_of(settings, channels)
    assert [channel.name for channel in channels] == ["console"]
    assert (route.targets, route.match.empty) == (("console",), True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[emial]\n", "emial"),
        ('[[slack]]\nurl = "ftp://x/s3cret"', "URL"),
        ('[[webhook]]\nurl = "https://h.example/"\ntoken = "s3cret\\n"', "token"),
        ("[[routes]]\nto = []\n", "to"),
        ('[[routes]]\nto = ["console"]\nmin_severity = "loud"', "min_severity"),
        ('[[silences]]\nname="a"\nowner="b"\nreason="c"\nsymbols=["*"]\n', "expires"),
        ('[[silences]]\nname="a"\nowner="b"\nreason="c"\nexpires=2026-01-01T00:00:00Z', "match"),
        ('[[silences]]\nname="a"\nowner="b"\nreason="c"\nsymbols=["*"]\nexpires=2026-01-01T00:00:00', "expires"),
        ("[retry]\nfirst_s = 100\nmost_s = 10", "first_s"),
        ('[targets]\nallowed_networks = ["home"]', "allowed_networks"),
        ('link = "javascript:alert(1)"', "link"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is_repeated(text: str, says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says) as caught:
        load(text)
    assert "s3cret" not in str(caught.value)


MAIL = 'host = "m"\nsender = "a@example.org"\nrecipients = ["b@example.org"]\n'


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ('recipients = ["b@example.org\\nBcc: evil@example.org"]', "not an e-mail address"),
        ('recipients = ["b@example.org, evil@example.org"]', "not an e-mail address"),
        ('recipients = ["desk"]', "not an e-mail address"),
        ('recipients = ["a@b@example.org"]', "not an e-mail address"),
        ('recipients = ["Desk <b@example.org>"]', "not an e-mail address"),
        ("recipients = []", "recipients"),
        ('sender = "tapewatch"', "not an e-mail address"),
        ('user = "u"', "go together"),
        ('password = "s3cret"', "go together"),
        ('user = "u"\npassword = "s3cret"\ntls = "none"', "unencrypted"),
        ('user = "u"\npassword = "s3crét"', "ASCII"),
        ("timeout_s = 0", "timeout_s"),
        ('name = "E mail"', "name"),
    ],
)
def test_mail_settings_that_could_do_harm_are_refused(changes: str, says: str) -> None:
    kept = [line for line in MAIL.splitlines() if line.split(" ")[0] not in changes]
    with pytest.raises(msgspec.ValidationError, match=says) as caught:
        load("\n".join(["[email]", *kept, changes]))
    assert "s3cr" not in str(caught.value)


def test_a_route_to_nowhere_names_the_nearest_channel() -> None:
    settings = load('[[routes]]\nto = ["consol"]')
    with pytest.raises(InputError, match=r"notify\.routes\[0\]\.to: .*'consol'; did you mean 'console'\?"):
        routes_of(settings, build_channels(settings, context(settings)))


def test_two_channels_of_one_name_are_refused() -> None:
    settings = load('[[slack]]\nurl = "https://hooks.slack.com/1"\n[[slack]]\nurl = "https://hooks.slack.com/2"')
    with pytest.raises(InputError, match="'slack'"):
        build_channels(settings, context(settings))


def test_the_link_leads_to_the_incident() -> None:
    assert link_to("https://t.example/i/{incident_id}?a={alert_id}", "1", "2") == "https://t.example/i/1?a=2"
    assert link_to(None, "1", "2") is None


def test_waits_double_up_to_the_most_and_jitter_only_shortens_them() -> None:
    settings = RetrySettings(first_s=2.0, most_s=900.0)
    full = [delay_ns(settings, attempt, 1.0, None) / 1e9 for attempt in (1, 2, 3, 10, 1_000)]
    assert full == [2.0, 4.0, 8.0, 900.0, 900.0]
    assert delay_ns(settings, 2, 0.0, None) == 3 * 10**9
    assert delay_ns(settings, 1, 0.0, 77.0) == 77 * 10**9
    draws = [hash_jitter("<a@tapewatch>", attempt) for attempt in range(100)]
    assert draws == [hash_jitter("<a@tapewatch>", attempt) for attempt in range(100)]
    assert all(0.0 <= draw < 1.0 for draw in draws)
    assert max(draws) - min(draws) > 0.9


def test_the_console_prints_plain_text_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    channel = ConsoleChannel(stream, sentence=False)
    channel.deliver(make_notice(symbol="[red]A[/red]\x1b[2J"), "terminal", "<1@tapewatch>")
    assert stream.getvalue() == "2025-04-07T14:10:00Z  [HIGH] [red]A[/red][2J (XNAS) drop -5.20 % - opened\n"


def test_a_fake_channel_is_routed_like_a_real_one() -> None:
    settings = load('[[routes]]\nto = ["pager:night"]')
    assert routes_of(settings, [FakeChannel("pager", ("night", "day"))])[0].targets == ("pager:night",)
