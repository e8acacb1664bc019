"""Webhooks against a local server that fails in every way."""

import json
import logging
import socket
import ssl
import time
from io import StringIO

import pytest

from tapewatch.model.secret import Secret
from tapewatch.model.times import parse_rfc3339
from tapewatch.notify.context import Context
from tapewatch.notify.http import HttpPoster
from tapewatch.notify.port import Delivery, Notice
from tapewatch.notify.targets import Targets, TargetSettings
from tapewatch.notify.webhook import WebhookSettings, signature
from tests.factories import make_alert, make_incident
from tests.integration.notify_servers import CERTIFICATE, Script, TcpServer, answer, server_tls

NOW_NS = parse_rfc3339("2026-11-22T12:00:00Z")
OPEN = TargetSettings(allowed_hosts=("*.example.test",), allowed_networks=("127.0.0.0/8",), allow_http=True)
TOKEN = "T0KEN-in-the-path"


def poster(port: int, *, scheme: str = "http", answer_s: float = 2.0, targets: Targets | None = None) -> HttpPoster:
    return HttpPoster(
        Secret(f"{scheme}://hooks.example.test:{port}/{TOKEN}?key={TOKEN}"),
        targets or Targets(OPEN, lambda host, port: ["127.0.0.1"]),
        connect_s=0.5,
        answer_s=answer_s,
        now=lambda: NOW_NS,
        tls=ssl.create_default_context(cafile=CERTIFICATE),
    )


def post_to(script: Script, *, answer_s: float = 2.0) -> Delivery:
    with TcpServer(script) as server:
        return poster(server.port, answer_s=answer_s).post(b'{"a":1}', {"Content-Type": "application/json"})


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "204 No Content"])
def test_every_2xx_is_done(status: str) -> None:
    assert post_to(answer(status)) == Delivery("done")


@pytest.mark.parametrize("status", ["408 Request Timeout", "425 Too Early", "500 Oops", "502 Bad Gateway", "503 Busy"])
def test_what_may_pass_is_tried_again(status: str) -> None:
    delivery = post_to(answer(status))
    assert delivery.outcome == "retry"
    assert status[:3] in delivery.reason


@pytest.mark.parametrize(
    ("value", "wait_s"), [("7", 7.0), ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0), ("999999999", 3600.0), ("soon", None)]
)
def test_retry_after_is_honoured_within_an_hour(value: str, wait_s: float | None) -> None:
    delivery = post_to(answer("429 Too Many Requests", f"Retry-After: {value}"))
    assert (delivery.outcome, delivery.retry_after_s) == ("retry", wait_s)


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "404 Not Found", "410 Gone"])
def test_a_refusal_is_given_up(status: str) -> None:
    assert post_to(answer(status, body=b"no_service")).outcome == "give_up"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_is_not_followed(status: str) -> None:
    with (
        TcpServer(answer("200 OK")) as inner,
        TcpServer(answer(status, f"Location: http://127.0.0.1:{inner.port}/")) as s,
    ):
        delivery = poster(s.port).post(b"{}", {})
        assert delivery.outcome == "give_up"
        assert inner.requests == []


def test_a_server_that_hangs_is_tried_again() -> None:
    def hang(connection: socket.socket, request: bytes) -> None:
        server.released.wait(5)

    with TcpServer(hang) as server:
        delivery = poster(server.port, answer_s=0.2).post(b"{}", {})
    assert delivery == Delivery("retry", "hooks.example.test did not answer in time")


def test_a_server_that_dribbles_is_cut_off_at_the_deadline() -> None:
    def dribble(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(100):  # five seconds: without a deadline this test fails, and does not hang
            if not server.released.wait(0.05):
                connection.sendall(b"a")

    began = time.monotonic()
    with TcpServer(dribble) as server:
        delivery = poster(server.port, answer_s=0.3).post(b"{}", {})
    assert delivery.outcome == "retry"
    assert time.monotonic() - began < 2.0


def garbage(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"\x00\xff SSH-2.0-nonsense\r\n\r\n")


def nothing(connection: socket.socket, request: bytes) -> None:
    return None


def half_a_head(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")


def endless_head(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000)


@pytest.mark.parametrize("script", [garbage, nothing, half_a_head, endless_head])
def test_what_is_no_answer_is_tried_again(script: Script) -> None:
    assert post_to(script).outcome == "retry"


def test_a_body_of_a_gigabyte_costs_nothing() -> None:
    def huge(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1_000):
            connection.sendall(b"x" * 1_000_000)

    began = time.monotonic()
    assert post_to(huge) == Delivery("done")
    assert time.monotonic() - began < 2.0


def test_a_body_that_breaks_off_changes_nothing_after_2xx() -> None:
    def broken(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    assert post_to(broken) == Delivery("done")


def test_a_closed_port_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert poster(port).post(b"{}", {}).outcome == "retry"


def test_the_request_is_what_was_asked_for() -> None:
    with TcpServer(answer("200 OK")) as server:
        poster(server.port).post(json.dumps({"a": 1}).encode(), {"Idempotency-Key": "<a.1@tapewatch>"})
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /{TOKEN}?key={TOKEN} HTTP/1.1\r\n".encode())
    assert f"Host: hooks.example.test:{server.port}".encode() in head
    assert b"Idempotency-Key: <a.1@tapewatch>" in head
    assert json.loads(body) == {"a": 1}


def test_over_tls_the_certificate_is_that_of_the_name_though_the_address_is_pinned() -> None:
    with TcpServer(answer("200 OK"), tls=server_tls()) as server:
        assert poster(server.port, scheme="https").post(b"{}", {}) == Delivery("done")
        elsewhere = HttpPoster(
            Secret(f"https://other.example.test:{server.port}/"),
            Targets(OPEN, lambda host, port: ["127.0.0.1"]),
            connect_s=1,
            answer_s=1,
            now=lambda: NOW_NS,
            tls=ssl.create_default_context(cafile=CERTIFICATE),
        )
        assert elsewhere.post(b"{}", {}) == Delivery("retry", "other.example.test: TLS failed")


def test_a_name_that_resolves_differently_the_second_time_gains_nothing() -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    targets = Targets(OPEN, lambda host, port: next(answers))
    with TcpServer(answer("200 OK")) as server:
        assert poster(server.port, targets=targets).post(b"{}", {}) == Delivery("done")
        assert next(answers) == ["169.254.169.254"]  # one attempt asked once, and went where it had asked


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "10.0.0.7", "::1"])
def test_a_name_that_leads_inside_is_given_up_without_a_connection(address: str) -> None:
    public_only = TargetSettings(allowed_hosts=("*.example.test",), allow_http=True)
    with TcpServer(answer("200 OK")) as server:
        targets = Targets(public_only, lambda host, port: [address])
        delivery = poster(server.port, targets=targets).post(b"{}", {})
        assert delivery.outcome == "give_up"
        assert server.requests == []


def test_another_address_is_tried_when_the_first_does_not_answer() -> None:
    with TcpServer(answer("200 OK")) as server:
        targets = Targets(OPEN, lambda host, port: ["127.0.0.99", "127.0.0.1"])
        assert poster(server.port, targets=targets).post(b"{}", {}) == Delivery("done")


def test_unencrypted_is_given_up_unless_allowed() -> None:
    strict = TargetSettings(allowed_hosts=("*.example.test",), allowed_networks=("127.0.0.0/8",))
    with TcpServer(answer("200 OK")) as server:
        delivery = poster(server.port, targets=Targets(strict, lambda host, port: ["127.0.0.1"])).post(b"{}", {})
        assert delivery.outcome == "give_up"
        assert server.requests == []


def test_no_log_line_and_no_reason_holds_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    reasons = [post_to(script).reason for script in (answer("200 OK"), answer("404 Not Found"), garbage, nothing)]
    assert caplog.records  # or this test could not fail
    assert TOKEN not in caplog.text + repr(reasons)


def test_the_webhook_proves_who_it_is() -> None:
    with TcpServer(answer("200 OK")) as server:
        settings = WebhookSettings(
            url=Secret(f"http://hooks.example.test:{server.port}/x"), token=Secret("t0k"), signing_key=Secret("key")
        )
        context = Context(StringIO(), Targets(OPEN, lambda host, port: ["127.0.0.1"]), lambda: NOW_NS)
        (channel,) = settings.channels(context)
        notice = Notice(event="opened", incident=make_incident(), alert=make_alert())
        for _ in range(2):
            assert channel.deliver(notice, "webhook", "<a.1@tapewatch>") == Delivery("done")
        first, second = server.requests
    head, _, body = first.partition(b"\r\n\r\n")
    assert b"Authorization: Bearer t0k\r\n" in head
    assert b"Idempotency-Key: <a.1@tapewatch>\r\n" in head
    assert f"X-Tapewatch-Signature: {signature(Secret('key'), body)}\r\n".encode() in head + b"\r\n"
    assert json.loads(body)["version"] == "4"
    assert first == second  # a repeat is the same to the byte
