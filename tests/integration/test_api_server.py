"""The API on a real socket: the stream to many clients, the end of the server, and what it answers to raw HTTP."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn

from tapewatch.stores.memory.alerts import MemoryAlertStore
from tapewatch.web.api.app import create_app
from tapewatch.web.api.deps import ApiDeps, ApiSettings
from tapewatch.web.api.server import ApiServer
from tests.factories import make_alert
from tests.unit.web.support import make_deps


@dataclass
class Running:
    server: ApiServer
    deps: ApiDeps
    address: str
    thread: threading.Thread

    @property
    def store(self) -> MemoryAlertStore:
        assert isinstance(self.deps.alerts, MemoryAlertStore)
        return self.deps.alerts

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=15)


@pytest.fixture
def running() -> Iterator[Running]:
    deps = make_deps(500, settings=ApiSettings(port=0, stream_poll_s=0.02))
    server = ApiServer(create_app(deps), deps.settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 10
    while not server.started and time.monotonic() < give_up:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    running = Running(server, deps, f"http://127.0.0.1:{port}", thread)
    yield running
    running.stop()
    assert not thread.is_alive()


async def first_events(client: httpx.AsyncClient, last_id: str | None, alerts: int) -> str:
    """The text of a stream until it held so many alerts, or a reset."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    text = ""
    async with client.stream("GET", "/v1/stream/alerts", headers=headers) as response:
        assert response.status_code == 200
        async for chunk in response.aiter_text():
            text += chunk
            if "event: reset" in text or text.count("event: alert") >= alerts > 0 or (not alerts and "ready" in text):
                return text
    return text


def id_of(text: str) -> str:
    return next(line.removeprefix("id: ") for line in reversed(text.splitlines()) if line.startswith("id: "))


def test_five_hundred_clients_that_come_back_at_once_do_not_slow_the_lists(running: Running) -> None:
    async def scenario() -> float:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=running.address, timeout=60, limits=limits) as client:
            last_id = id_of(await first_events(client, None, 0))
            running.store.upsert([make_alert(onset_k=k) for k in range(1_000, 1_040)], [])
            good = [asyncio.create_task(first_events(client, last_id, 40)) for _ in range(250)]
            lost = [asyncio.create_task(first_events(client, "AAAA", 1)) for _ in range(250)]
            slowest = 0.0
            for _ in range(20):
                began = time.perf_counter()
                assert (await client.get("/alerts?limit=10")).status_code == 200
                slowest = max(slowest, time.perf_counter() - began)
            texts = await asyncio.gather(*good)
            assert {text.count("event: alert") for text in texts} == {40}
            assert all("event: reset" in text for text in await asyncio.gather(*lost))
            return slowest

    # generous, for the machine is shared and the 500 clients run on it too
    assert asyncio.run(scenario()) < 10


def test_the_server_stops_at_once_though_clients_listen(running: Running) -> None:
    listening, ended = threading.Event(), threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{running.address}/v1/stream/alerts", timeout=30) as response:
            for _ in response.iter_text():
                listening.set()
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(5)
    began = time.monotonic()
    running.stop()
    assert ended.wait(5) and time.monotonic() - began < 5
    thread.join()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /alerts/BTC%2FUSDT?limit=1 HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET /alerts HTTP/1.1\r\nHost: attacker.example\r\n", 421),
        (b"GET /alerts HTTP/1.0\r\n", 421),
        (b"GET /alerts/%ff%fe HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET /alerts/%00 HTTP/1.1\r\nHost: localhost\r\n", 422),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET /docs/..%2f__init__.py HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"POST /v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n", 413),
    ],
)
def test_raw_requests_get_the_answer_that_they_deserve(running: Running, request_line: bytes, status: int) -> None:
    port = int(running.address.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request_line + b"Connection: close\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    assert int(answer.split(b" ", 2)[1]) == status
    assert b"server: uvicorn" not in answer.lower()


def test_the_server_is_uvicorns_with_nothing_of_the_query_in_its_log(running: Running) -> None:
    assert isinstance(running.server, uvicorn.Server)
    assert running.server.config.access_log is False
