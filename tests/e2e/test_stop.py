"""SIGTERM and SIGINT end a server in order, lose nothing, and a second start goes on."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tapewatch.model.ticks import Fate
from tests.e2e.support import PATIENCE_S, Left, assert_same, position, start, wait_until, what_is_left


def test_stopped_and_started_again_it_leaves_what_an_uninterrupted_run_leaves(
    market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    args = ("serve", market, "--data-dir", data, "--port", "0", "--speed", "100000", "--set", "engine.batch_ticks=100")
    for number, asked in enumerate((signal.SIGTERM, signal.SIGINT)):
        server = start(tmp_path / f"log-{number}", *args)
        goal = position(data) + 500
        wait_until(lambda goal=goal: position(data) >= goal, 60, "some of the tape")  # type: ignore[misc] # mypy and defaults of lambdas
        server.stop(asked)
        left = what_is_left(data)
        assert 0 < left.next < uninterrupted.next, "the stop came too late to mean anything"
        assert left.outbox == 0 and sum(left.fates.values()) == left.next
        unread = left.fates.get(str(int(Fate.HEARTBEAT)), 0) + len(left.dead)
        assert left.ticks["offset"].n_unique() == left.ticks.height == left.next - unread

    server = start(tmp_path / "log-last", *args, "--set", "feed.speed=0")
    wait_until(lambda: position(data) == uninterrupted.next, PATIENCE_S, "the end of the tape")
    server.stop()
    assert_same(what_is_left(data), uninterrupted)


def test_what_came_by_a_pipe_is_kept_and_a_stop_does_not_wait_for_more(market: Path, tmp_path: Path) -> None:
    lines, data = market.read_bytes().splitlines(keepends=True), tmp_path / "data"
    ends = []
    for number, part in enumerate((lines[:2000], lines[:1] + lines[2000:4000])):
        reading, writing = os.pipe()
        server = start(tmp_path / f"log-{number}", "serve", "-", "--data-dir", data, "--port", "0", stdin=reading)
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"".join(part))
            pipe.flush()
            goal = 1900 * (number + 1)
            wait_until(lambda goal=goal: position(data) > goal, 60, "what is in the pipe")  # type: ignore[misc] # as above
            server.stop()  # while the pipe is open: more could come
        ends.append(what_is_left(data))
    assert ends[1].next > ends[0].next and ends[1].ticks.height > 3900
    assert ends[1].ticks.head(ends[0].ticks.height).equals(ends[0].ticks)


def test_a_server_without_a_feed_serves_what_is_there(tmp_path: Path) -> None:
    server = start(tmp_path / "log", "serve", "--data-dir", tmp_path / "data", "--port", "0", stdin=subprocess.DEVNULL)
    server.ready()
    assert server.get("/alerts")["items"] == []
    assert server.get("/v1/status")["feed"] is None
    server.stop(signal.SIGINT)


def test_a_stop_does_not_wait_for_the_compiler(market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, data = tmp_path / "cache", tmp_path / "data"
    monkeypatch.setenv("TAPEWATCH_CACHE_DIR", str(cache))
    server = start(tmp_path / "log", "serve", market, "--data-dir", data, "--port", "0")
    wait_until(lambda: list(cache.rglob("kernel_*.py")), 60, "the text of the kernel")
    assert server.address
    server.stop()
    assert not list(cache.rglob("*.nbc")), "the compiler was done before the stop, or the stop waited for it"
    assert position(data) == 0
