"""Five hundred clients of the event stream are cut off at once, again and again; who stays hears everything once."""

import json
import socket
import struct
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.compare import published
from tests.faults.run import LONG, Record, running
from tests.faults.stack import Servers, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
CLIENTS, ROUNDS, ANSWER_S = 500, 3, 5.0
STREAM = "/v1/stream/alerts"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends RST


class Listener(threading.Thread):
    """A client that stays: `heard` are (alert, revision) as they came."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address, self.ready = address, threading.Event()
        self.heard: list[str] = []
        self.resets = 0

    def run(self) -> None:
        with httpx.stream("GET", self._address + STREAM, timeout=None, trust_env=False) as answer:
            event = ""
            for line in answer.iter_lines():
                name, _, text = line.partition(": ")
                if name == "event":
                    event = text
                    self.resets += text == "reset"
                    if text == "ready":
                        self.ready.set()
                elif name == "data" and event == "alert":
                    alert = json.loads(text)
                    self.heard.append(f"{alert['alert_id']}:{alert['revision']}")


def connect(address: str) -> socket.socket:
    """A client that has begun to listen."""
    host, _, port = address.removeprefix("http://").partition(":")
    client = socket.create_connection((host, int(port)), timeout=60)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert client.recv(4096).startswith(b"HTTP/1.1 200")
    return client


def listening(address: str) -> float:
    """How many clients the API has, by its own figures."""
    text = httpx.get(f"{address}/metrics", timeout=30, trust_env=False).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("tapewatch_stream_clients "))


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_the_api_serves_on_when_five_hundred_streams_are_reset(
    servers: Servers, tmp_path: Path, record_property: Record
) -> None:
    with running("500 streams reset", tmp_path, servers, record_property) as run:
        run.cluster.begin(run.environment)
        address = run.cluster.api
        wait_until(lambda: answers(address), 120, "the API")
        stays = Listener(address)
        stays.start()
        assert stays.ready.wait(60)
        run.feed(300 if LONG else 60)
        slowest = 0.0
        for _ in range(ROUNDS):
            clients = [connect(address) for _ in range(CLIENTS)]
            most = listening(address)
            time.sleep(2)
            for client in clients:
                client.close()
            began = time.monotonic()
            httpx.get(f"{address}/v1/alerts?limit=100", timeout=30, trust_env=False).raise_for_status()
            slowest = max(slowest, time.monotonic() - began)
            gone = wait_until(lambda: listening(address) == 1, 60, "the API to let go of those that are gone")
        run.finish()
        wanted = published(run.cluster)[0].keys()
        wait_until(lambda: len(stays.heard) >= len(wanted), 30, "the one that stayed to hear the rest")
        run.measured |= {"clients at once": most, "slowest answer after it s": round(slowest, 3)}
        run.measured |= {"let go of after s": round(gone, 2), "heard by who stayed": len(stays.heard)}
        assert most == CLIENTS + 1
        assert slowest < ANSWER_S
        assert stays.resets == 0
        assert sorted(stays.heard) == sorted(wanted)
