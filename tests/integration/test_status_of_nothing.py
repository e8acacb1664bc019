"""`tapewatch status` where none of the cluster's servers is there."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tapewatch.runtime.cli import main
from tapewatch.runtime.cluster.servers.ports import free_port

SERVERS = ["Kafka", "Redis (state)", "Redis (queue)", "Elasticsearch"]


def status(ports: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code and the output of `tapewatch status --json` where the servers are said to be at these ports."""
    kafka, state, queue, elastic = ports
    monkeypatch.setenv("TAPEWATCH_KAFKA__BOOTSTRAP", f"127.0.0.1:{kafka}")
    monkeypatch.setenv("TAPEWATCH_STATE__URL", f"redis://:hunter2@127.0.0.1:{state}/0")
    monkeypatch.setenv("TAPEWATCH_QUEUE__URL", f"redis://:hunter2@127.0.0.1:{queue}/0")
    monkeypatch.setenv("TAPEWATCH_ELASTICSEARCH__URLS", f"http://127.0.0.1:{elastic}")
    with pytest.raises(SystemExit) as ended:
        main(["status", "--json"])
    out = capsys.readouterr()
    assert "hunter2" not in out.out + out.err
    assert isinstance(ended.value.code, int)
    return ended.value.code, out.out


@pytest.fixture
def silent() -> Iterator[list[int]]:
    """Four ports that take connections and never say a word."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", free_port()))).getsockname()[1] for _ in SERVERS]


def test_each_server_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out = status([free_port() for _ in SERVERS], capsys, monkeypatch)
    found = json.loads(out)
    assert code == 3
    assert [s["name"] for s in found["servers"]] == SERVERS
    assert all(s["trouble"] for s in found["servers"])
    assert found["shards"] == [] and found["alerts"] is None and found["queued"] is None


def test_servers_that_are_silent_are_waited_for_all_at_the_same_time(
    silent: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    code, out = status(silent, capsys, monkeypatch)
    assert code == 3 and all(s["trouble"] for s in json.loads(out)["servers"])
    assert time.monotonic() - began < 9, "one after the other they take at least twelve"


def test_what_is_not_redis_is_named_as_such(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _, out = status([free_port(), server.server_port, free_port(), free_port()], capsys, monkeypatch)
        server.shutdown()
    assert json.loads(out)["servers"][1]["trouble"] == "what answers at the address of Redis is not Redis"
