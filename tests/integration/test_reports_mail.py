"""Finished reports against a real SMTP server on loopback, and against servers that are none."""

import email
import socket
import time
from email.message import EmailMessage
from email.policy import default
from itertools import count
from typing import Any

import pytest

from tapewatch.model.errors import GiveUpError, InputError, RetryableError
from tapewatch.model.secret import Secret
from tapewatch.reports.addresses import AllowList
from tapewatch.reports.delivery import FileMail, UnsureError
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.settings import ReportSmtpSettings
from tapewatch.reports.smtp import SmtpFileSender
from tapewatch.reports.tasks import ReportTasks
from tapewatch.stores.memory import MemoryTaskStore
from tests.factories import ONSET_NS, make_alerts
from tests.integration.notify_servers import CERTIFICATE, Mailbox, MailServer, TcpServer, server_tls
from tests.unit.reports.sources import ListSource

DESK = "desk@example.org"
CONTENT = b"%PDF-1.7\r\n.\r\n..\n.alone\nno end of line \x00\xff."


def _mail(**changed: Any) -> FileMail:
    fields: dict[str, Any] = {
        "recipient": DESK,
        "subject": "Report",
        "body": ".\n.. a body with dots\n.",
        "file_name": "r.pdf",
        "media_type": "application/pdf",
        "content": CONTENT,
        "message_id": "<report-1@example.org>",
    }
    return FileMail(**(fields | changed))


def _sender(port: int, **changed: Any) -> SmtpFileSender:
    given: dict[str, Any] = {"host": "localhost", "port": port, "tls": "none", "sender": "tapewatch@example.org"}
    return SmtpFileSender(ReportSmtpSettings(**(given | {"timeout_s": 2.0} | changed)), lambda: ONSET_NS)


def _read(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_file_arrives_byte_for_byte_at_one_recipient() -> None:
    box = Mailbox()
    with MailServer(box) as server:
        _sender(server.port)(_mail())
    ((to, raw, _),) = box.messages
    message = _read(raw)
    attachment = next(message.iter_attachments())
    body = message.get_body(("plain",))
    assert to == [DESK]
    assert attachment.get_content() == CONTENT
    assert body is not None
    assert body.get_content().splitlines() == [".", ".. a body with dots", "."]


def test_a_real_report_goes_from_request_to_mailbox() -> None:
    box, ids = Mailbox(), count(1)
    with MailServer(box) as server:
        tasks = ReportTasks(
            store=MemoryTaskStore(),
            source=ListSource(make_alerts(30)),
            now=lambda: ONSET_NS,
            new_id=lambda: f"id{next(ids)}",
            send=_sender(server.port),
            recipients=AllowList(["@example.org"]),
            mail_domain="example.org",
        )
        tasks.submit(ReportRequest(format="pdf"), DESK)
        done = tasks.work_once()
    assert done is not None
    assert (done.status, done.emailed, done.error) == ("done", True, None)
    attachment = next(_read(box.messages[0][1]).iter_attachments())
    assert attachment.get_content() == tasks.store.content("id1")
    assert attachment.get_content().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("box", "error"),
    [
        (Mailbox(rcpt="451 4.7.1 greylisted"), RetryableError),
        (Mailbox(rcpt="550 5.1.1 no such user"), GiveUpError),
        (Mailbox(data="452 4.3.1 disk full"), RetryableError),
        (Mailbox(data="554 5.7.1 looks like spam"), GiveUpError),
    ],
)
def test_4xx_may_be_tried_again_and_5xx_not_with_the_servers_words(box: Mailbox, error: type[Exception]) -> None:
    words = (box.rcpt if not box.rcpt.startswith("250") else box.data)[4:]
    with MailServer(box) as server, pytest.raises(error, match=words):
        _sender(server.port)(_mail())


def test_a_server_that_falls_silent_after_the_message_leaves_it_unsure() -> None:
    box = Mailbox(drop_after_data=True)
    with MailServer(box) as server, pytest.raises(UnsureError):
        _sender(server.port)(_mail())
    assert len(box.messages) == 1


def _lose(after: bytes) -> TcpServer:
    """A server that hangs up when it has read `after`."""

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"220 test\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                if line.upper().startswith(after):
                    return
                connection.sendall(b"250 OK\r\n")

    return TcpServer(script, talks_first=True)


@pytest.mark.parametrize("after", [b"EHLO", b"MAIL", b"RCPT", b"DATA"])
def test_a_connection_lost_before_the_message_may_be_tried_again(after: bytes) -> None:
    with _lose(after) as server, pytest.raises(RetryableError):
        _sender(server.port)(_mail())


@pytest.mark.parametrize("parting", [b"", b"500 5.5.1 what?\r\n", b"\xff\r\n"])
def test_a_report_that_was_taken_is_sent_however_the_server_parts(parting: bytes) -> None:
    greeted: list[bytes] = []

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"220 test\r\n")
        with connection.makefile("rb") as lines:
            greeted.append(next(lines))
            connection.sendall(b"250 OK\r\n")
            for line in lines:
                if line.upper().startswith(b"QUIT"):
                    connection.sendall(parting)
                    return
                if line.startswith(b"DATA"):
                    connection.sendall(b"354 go on\r\n")
                    while next(lines) != b".\r\n":
                        pass
                connection.sendall(b"250 OK\r\n")

    with TcpServer(script, talks_first=True) as server:
        _sender(server.port)(_mail())
    assert greeted == [b"ehlo example.org\r\n"]  # not this machine's name, for which the DNS would be asked


def test_a_server_that_dribbles_is_cut_off_at_the_deadline() -> None:
    def dribble(connection: socket.socket, request: bytes) -> None:
        for _ in range(100):  # five seconds: without a deadline this test fails, and does not hang
            if not server.released.wait(0.05):
                connection.sendall(b"220-welcome\r\n")

    began = time.monotonic()
    with TcpServer(dribble, talks_first=True) as server, pytest.raises(RetryableError):
        _sender(server.port, timeout_s=0.2)(_mail())
    assert time.monotonic() - began < 3.0


@pytest.mark.parametrize(
    ("after", "said"), [(b"AUTH", b"535 5.7.8 no: hunter2\r\n"), (b"MAIL", b"550 5.7.1 not with hunter2\r\n")]
)
def test_what_a_server_says_of_the_password_is_not_repeated(after: bytes, said: bytes) -> None:
    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"220 test\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                known = {b"EHLO": b"250-test\r\n250 AUTH PLAIN\r\n", b"AUTH": b"235 in\r\n"} | {after: said}
                connection.sendall(known.get(line[:4].upper(), b"250 OK\r\n"))

    given: dict[str, Any] = {"tls": "implicit", "ca_file": CERTIFICATE, "user": "u", "password": Secret("hunter2")}
    with TcpServer(script, talks_first=True, tls=server_tls()) as server, pytest.raises(GiveUpError) as told:
        _sender(server.port, **given)(_mail())
    assert said[:3].decode() in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RetryableError, match="mail server localhost"):
        _sender(port)(_mail())


def test_a_server_without_starttls_is_given_up_rather_than_trusted() -> None:
    box = Mailbox()
    with MailServer(box) as server, pytest.raises(GiveUpError, match="STARTTLS"):
        _sender(server.port, tls="starttls")(_mail())
    assert box.messages == []


def test_encryption_and_password_work_and_a_wrong_password_is_given_up_without_showing_it() -> None:
    box = Mailbox()
    with MailServer(box, tls_context=server_tls(), require_starttls=True, password="right") as server:
        given: dict[str, Any] = {"tls": "starttls", "ca_file": CERTIFICATE, "user": "u"}
        _sender(server.port, password=Secret("right"), **given)(_mail())
        with pytest.raises(GiveUpError) as told:
            _sender(server.port, password=Secret("hunter2"), **given)(_mail())
    assert box.messages[0][2]
    assert len(box.messages) == 1
    assert "hunter2" not in str(told.value)


def test_a_certificate_that_nobody_vouches_for_is_given_up() -> None:
    box = Mailbox()
    with MailServer(box, implicit=True) as server, pytest.raises(GiveUpError, match="certificate"):
        _sender(server.port, tls="implicit")(_mail())
    assert box.messages == []


def test_a_certificate_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InputError, match="ca_file"):
        _sender(1, ca_file="/nowhere/ca.pem")


def test_a_header_with_a_line_break_never_reaches_the_server() -> None:
    box = Mailbox()
    with MailServer(box) as server, pytest.raises(InputError):
        _sender(server.port)(_mail(subject="x\r\nBcc: evil@example.net"))
    assert box.messages == []
