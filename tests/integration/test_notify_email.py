"""E-mail against a real SMTP server on loopback, and against servers that are none."""

import email
import email.policy
import logging
import socket
import time
from email.message import EmailMessage
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.notify.context import Context
from tapewatch.notify.email import EmailChannel, EmailSettings
from tapewatch.notify.port import Delivery, Notice
from tapewatch.notify.smtp import SmtpSender
from tapewatch.notify.targets import Targets, TargetSettings
from tests.factories import ONSET_NS, make_alert, make_incident
from tests.integration.notify_servers import CERTIFICATE, Mailbox, MailServer, TcpServer, server_tls

DESK = "desk@example.org"
MESSAGE_ID = "<9f3c.1.email.ab@tapewatch>"
NOTICE = Notice(event="opened", incident=make_incident(), alert=make_alert(), link="https://tapewatch.example/i/1")


def settings(port: int, **overrides: Any) -> EmailSettings:
    given: dict[str, Any] = {"host": "localhost", "port": port, "tls": "none", "sender": "tapewatch@example.org"}
    return EmailSettings(**(given | {"recipients": (DESK,), "timeout_s": 2.0} | overrides))


def deliver(port: int, **overrides: Any) -> Delivery:
    context = Context(StringIO(), Targets(TargetSettings()), lambda: ONSET_NS)
    return EmailChannel(settings(port, **overrides), context).deliver(NOTICE, DESK, MESSAGE_ID)


def test_a_message_arrives_with_both_bodies_and_its_stable_id() -> None:
    box = Mailbox()
    with MailServer(box) as server:
        assert deliver(server.port) == Delivery("done")
        assert deliver(server.port) == Delivery("done")
    (to, content, _), (_, again, _) = box.messages
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    assert to == [DESK]
    assert message["Message-ID"] == MESSAGE_ID
    assert message["Subject"] == "[HIGH] TSLA (XNAS) drop -5.20 % - opened"
    assert message["From"] == "tapewatch <tapewatch@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert plain is not None
    assert rich is not None
    assert NOTICE.incident.message[:40] in plain.get_content().replace("\n", " ")
    assert 'href="https://tapewatch.example/i/1"' in rich.get_content()
    assert email.message_from_bytes(again)["Message-ID"] == MESSAGE_ID


@pytest.mark.parametrize(
    ("box", "outcome"),
    [
        (Mailbox(rcpt="451 4.7.1 greylisted"), "retry"),
        (Mailbox(rcpt="550 5.1.1 no such user"), "give_up"),
        (Mailbox(data="452 4.3.1 disk full"), "retry"),
        (Mailbox(data="554 5.7.1 looks like spam"), "give_up"),
    ],
)
def test_4xx_is_tried_again_and_5xx_given_up_with_the_servers_words(box: Mailbox, outcome: str) -> None:
    with MailServer(box) as server:
        delivery = deliver(server.port)
    said = box.rcpt if not box.rcpt.startswith("250") else box.data
    assert delivery.outcome == outcome
    assert said in delivery.reason


def test_a_connection_lost_after_the_text_is_tried_again_though_it_may_have_been_taken() -> None:
    box = Mailbox(drop_after_data=True)
    with MailServer(box) as server:
        assert deliver(server.port).outcome == "retry"
        box.drop_after_data = False
        assert deliver(server.port) == Delivery("done")
    ids = {email.message_from_bytes(content)["Message-ID"] for _, content, _ in box.messages}
    assert (len(box.messages), ids) == (2, {MESSAGE_ID})


def test_starttls_encrypts_and_logs_in() -> None:
    box = Mailbox()
    with MailServer(box, password="hunter2", tls_context=server_tls()) as server:
        delivery = deliver(server.port, tls="starttls", ca_file=CERTIFICATE, user="desk", password=Secret("hunter2"))
    assert delivery == Delivery("done")
    assert box.messages[0][2]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # aiosmtpd cannot see the TLS around it
def test_implicit_tls_encrypts_and_logs_in() -> None:
    box = Mailbox()
    with MailServer(box, implicit=True, password="hunter2") as server:
        delivery = deliver(server.port, tls="implicit", ca_file=CERTIFICATE, user="desk", password=Secret("hunter2"))
    assert delivery == Delivery("done")
    assert len(box.messages) == 1


def test_a_certificate_that_nobody_signed_is_refused() -> None:
    box = Mailbox()
    with MailServer(box, tls_context=server_tls()) as server:
        delivery = deliver(server.port, tls="starttls")
    assert (delivery.outcome, box.messages) == ("retry", [])
    assert "TLS" in delivery.reason


def test_starttls_never_falls_back_to_plain_text() -> None:
    box = Mailbox()
    with MailServer(box) as server:
        delivery = deliver(server.port, tls="starttls", ca_file=CERTIFICATE)
    assert (delivery.outcome, box.messages) == ("give_up", [])


def test_a_wrong_password_is_given_up_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with MailServer(Mailbox(), password="other", tls_context=server_tls()) as server:
        delivery = deliver(server.port, tls="starttls", ca_file=CERTIFICATE, user="desk", password=Secret("hunter2"))
    assert delivery.outcome == "give_up"
    assert "hunter2" not in repr(delivery)


def test_a_server_that_hangs_is_tried_again() -> None:
    def hang(connection: socket.socket, request: bytes) -> None:
        server.released.wait(5)

    with TcpServer(hang, talks_first=True) as server:
        assert deliver(server.port, timeout_s=0.2).outcome == "retry"


def test_a_server_that_dribbles_is_cut_off_at_the_deadline() -> None:
    def dribble(connection: socket.socket, request: bytes) -> None:
        for _ in range(100):  # five seconds: without a deadline this test fails, and does not hang
            if not server.released.wait(0.05):
                connection.sendall(b"220-welcome\r\n")

    began = time.monotonic()
    with TcpServer(dribble, talks_first=True) as server:
        assert deliver(server.port, timeout_s=0.2).outcome == "retry"
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-x\r\n", b"\xff\xfe\x00\r\n", b"421 4.3.2 going down\r\n"])
def test_what_is_no_mail_server_is_tried_again(said: bytes) -> None:
    with TcpServer(lambda connection, request: connection.sendall(said), talks_first=True) as server:
        assert deliver(server.port).outcome == "retry"


def test_a_closed_port_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert deliver(port).outcome == "retry"


def test_a_ca_file_that_cannot_be_read_is_an_error_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ca_file"):
        SmtpSender(settings(25, tls="starttls", ca_file=tmp_path / "none.pem"))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    with pytest.raises(InputError, match="ca_file"):
        SmtpSender(settings(25, tls="starttls", ca_file=empty))
