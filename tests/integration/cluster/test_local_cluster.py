"""`make cluster` as a user sees it: one command, an alert over HTTP, Ctrl-C, and nothing is left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tapewatch.runtime.cluster.local.stack import MARKER
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.servers.ports import free_port

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TAPEWATCH = (sys.executable, "-c", "from tapewatch.runtime.cli import main; main()")
WITHIN_S = 240.0
"""From nothing to the first alert in Elasticsearch, on a machine that has to fetch everything."""


def first_alerts(process: subprocess.Popen[bytes], port: int, said: Path) -> list[dict[str, object]]:
    give_up = time.monotonic() + WITHIN_S
    while time.monotonic() < give_up:
        assert process.poll() is None, said.read_text()[-3000:]
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/alerts", timeout=5, trust_env=False)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code == 200 and (found := answer.json()["items"]):
            return list(found)
        time.sleep(0.5)
    raise AssertionError(f"no alert within {WITHIN_S:g} s:\n{said.read_text()[-3000:]}")


def figures(parts: list[psutil.Process], argument: str) -> str:
    """What the part that was started with this last argument tells of itself."""
    (port,) = {p.environ()["TAPEWATCH_OPS__PORT"] for p in parts if p.cmdline()[-1:] == [argument]}
    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5, trust_env=False).raise_for_status().text


def test_one_command_brings_alerts_and_ctrl_c_ends_all_of_it(
    tmp_path: Path, state_redis: Running, elasticsearch_server: Running
) -> None:
    """The servers asked for are not used: where one cannot be had, this cannot run either, and they say so."""
    del state_redis, elasticsearch_server
    folder, port, said = tmp_path / "cluster", free_port(), tmp_path / "said"
    command = [*TAPEWATCH, "cluster", "--dir", str(folder), "--port", str(port), "--workers", "1", "--partitions", "2"]
    with said.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path, env={**os.environ, "COLUMNS": "100"})
    try:
        alerts = first_alerts(process, port, said)
        assert {"symbol", "price", "timestamp", "alert_type", "change_pct", "message"} <= set(alerts[0])
        begun = psutil.Process(process.pid).children(recursive=True)
        names = {p.name() for p in begun}
        assert len(begun) >= 12, names
        for part in ("consume", "merge", "index", "archive", "notify", "worker"):
            assert "tapewatch_" in figures(begun, part), part
        assert 'tapewatch_beat_tasks_sent_total{task="tapewatch.reports.work_off"}' in figures(begun, "beat")
        assert 'tapewatch_report_tasks_total{what="store_errors"} 0.0' in figures(begun, "office")
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0, said.read_text()[-3000:]
        assert not [p for p in begun if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    finally:
        process.kill()
    assert "first alert in Elasticsearch" in said.read_text()
    assert json.loads((folder / MARKER).read_text())
