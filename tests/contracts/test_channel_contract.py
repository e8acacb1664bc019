"""What every notification channel promises, run on each of them: against a good server, a busy one, one that refuses,
one that is gone, and one that is no such server at all."""

import io
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Literal

import msgspec
import pytest

from tapewatch.model.secret import Secret
from tapewatch.notify.channels import ChannelSettings, build_channels
from tapewatch.notify.console import ConsoleSettings
from tapewatch.notify.context import Context
from tapewatch.notify.email import EmailSettings
from tapewatch.notify.names import message_id
from tapewatch.notify.port import Channel, Notice
from tapewatch.notify.slack import SlackSettings
from tapewatch.notify.targets import Targets, TargetSettings
from tapewatch.notify.webhook import WebhookSettings
from tests.factories import ONSET_NS, make_alert, make_incident
from tests.integration.notify_servers import CERTIFICATE, Mailbox, MailServer, TcpServer, answer, server_tls

SECRET = "s3cr3t-token"
Weather = Literal["good", "busy", "refusing", "gone", "nonsense"]
OUTCOME = {"good": "done", "busy": "retry", "refusing": "give_up", "gone": "retry", "nonsense": "retry"}


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def context(stream: io.StringIO | None = None) -> Context:
    loopback = TargetSettings(allowed_hosts=("localhost",), allowed_networks=("127.0.0.0/8",), allow_http=True)
    return Context(stream or io.StringIO(), Targets(loopback, lambda host, port: ["127.0.0.1"]), lambda: ONSET_NS)


def nonsense(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"\x00\xff nonsense\r\n\r\n")


@contextmanager
def console(weather: Weather) -> Iterator[Channel]:
    stream = FullDisk() if weather == "busy" else io.StringIO()
    channel = ConsoleSettings().channels(context(stream))[0]
    if weather == "refusing":
        stream.close()
    yield channel


@contextmanager
def email(weather: Weather) -> Iterator[Channel]:
    with ExitStack() as stack:
        if weather == "gone":
            port = closed_port()
        elif weather == "nonsense":
            port = stack.enter_context(TcpServer(nonsense, talks_first=True)).port
        else:
            box = Mailbox(data={"good": "250 ok", "busy": "451 later", "refusing": f"554 no {SECRET}"}[weather])
            port = stack.enter_context(MailServer(box, password=SECRET, tls_context=server_tls())).port
        settings = EmailSettings(
            host="localhost",
            port=port,
            ca_file=CERTIFICATE,
            user="desk",
            password=Secret(SECRET),
            sender="tapewatch@example.org",
            recipients=("desk@example.org",),
            timeout_s=2.0,
        )
        yield settings.channels(context())[0]


@contextmanager
def http_port(weather: Weather) -> Iterator[int]:
    if weather == "gone":
        yield closed_port()
        return
    script = {
        "good": answer("200 OK"),
        "busy": answer("503 Service Unavailable", "Retry-After: 3"),
        "refusing": answer("403 Forbidden", f"X-Echo: {SECRET}", body=SECRET.encode()),
        "nonsense": nonsense,
    }[weather]
    with TcpServer(script) as server:
        yield server.port


@contextmanager
def slack(weather: Weather) -> Iterator[Channel]:
    with http_port(weather) as port:
        yield SlackSettings(url=Secret(f"http://localhost:{port}/{SECRET}")).channels(context())[0]


@contextmanager
def webhook(weather: Weather) -> Iterator[Channel]:
    with http_port(weather) as port:
        url = Secret(f"http://localhost:{port}/{SECRET}")
        yield WebhookSettings(url=url, token=Secret(SECRET), signing_key=Secret(SECRET)).channels(context())[0]


CASES: dict[str, Callable[[Weather], AbstractContextManager[Channel]]] = {
    "console": console,
    "email": email,
    "slack": slack,
    "webhook": webhook,
}
SKIPS = {("console", "gone"), ("console", "nonsense")}  # a stream is written or not: nobody answers
RUNS = [(kind, weather) for kind in CASES for weather in OUTCOME if (kind, weather) not in SKIPS]


def hostile_notice() -> Notice:
    text = 'TSLA\r\nBcc: evil@example.org\x1b[2J<!channel>&<script>alert("x")</script>\u202egnp'
    return Notice(
        event="worsened",
        incident=make_incident(symbol=text, venue=text, message=text * 200),
        alert=make_alert(symbol=text, message=text, market=text, rule=text, currency=text, local_time=text),
        link="javascript:alert(1)//" + text,
    )


def plain_notice() -> Notice:
    return Notice(event="opened", incident=make_incident(), alert=make_alert())


def deliver(channel: Channel, notice: Notice) -> str:
    recipient = channel.recipients[0]
    alert = notice.alert
    delivery = channel.deliver(notice, recipient, message_id(alert.alert_id, alert.revision, channel.name, recipient))
    assert SECRET not in delivery.reason
    assert "\n" not in delivery.reason
    assert delivery.outcome == "done" or delivery.reason
    return delivery.outcome


def test_every_kind_of_channel_is_run_here() -> None:
    assert set(CASES) == set(ChannelSettings.__struct_fields__)


@pytest.mark.parametrize(("kind", "weather"), RUNS)
def test_it_says_how_it_ended_and_never_raises(kind: str, weather: Weather) -> None:
    with CASES[kind](weather) as channel:
        assert deliver(channel, plain_notice()) == OUTCOME[weather]
        assert deliver(channel, plain_notice()) == OUTCOME[weather]  # and is fit for the next notice


@pytest.mark.parametrize("kind", CASES)
def test_texts_from_outside_do_it_no_harm(kind: str) -> None:
    with CASES[kind]("good") as channel:
        assert deliver(channel, hostile_notice()) == "done"


@pytest.mark.parametrize("kind", CASES)
def test_recipients_are_named_without_secrets_and_stay_the_same(kind: str) -> None:
    with CASES[kind]("good") as channel:
        assert channel.recipients
        assert channel.recipients == channel.recipients
        assert len(set(channel.recipients)) == len(channel.recipients)
        assert SECRET not in repr(channel) + repr(channel.recipients) + channel.name


@pytest.mark.parametrize("kind", CASES)
def test_a_recipient_that_the_settings_do_not_name_is_told_nothing(kind: str) -> None:
    with CASES[kind]("good") as channel:
        assert channel.deliver(plain_notice(), "stranger@example.org", "<1@tapewatch>").outcome == "give_up"


def test_settings_never_show_their_secrets() -> None:
    shown = ChannelSettings(
        email=EmailSettings(host="m", user="u", password=Secret(SECRET), sender="a@b.c", recipients=("a@b.c",)),
        slack=(SlackSettings(url=Secret(f"https://hooks.slack.com/{SECRET}")),),
        webhook=(WebhookSettings(url=Secret(f"https://h.example/{SECRET}"), token=Secret(SECRET)),),
    )
    assert SECRET not in repr(shown)
    with pytest.raises(TypeError):
        msgspec.json.encode(shown)
    assert [channel.name for channel in build_channels(shown, context())] == ["console", "email", "slack", "webhook"]
