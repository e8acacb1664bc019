"""Who reads alerts where people read them: `GET /alerts`, behind the indexer and Elasticsearch."""

import json
import sys
import time
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx

from benchmarks.cluster.contenders import Contender, Job
from benchmarks.cluster.latency import heard_line
from benchmarks.cluster.ours import Servers, tapewatch

REFRESH = "500ms"
"""How long Elasticsearch may keep a document from being found: the setting's default."""
EVERY_S = 0.05


def indexed(servers: Servers, elasticsearch: str, port: int) -> Contender:
    """The inline executor, an indexer, and an API on this port."""
    bridge = tapewatch(servers, "inline", "bench-z")
    command = str(Path(sys.executable).with_name("tapewatch"))

    def prepare(job: Job) -> None:
        bridge.prepare(job)
        with (job.folder / "tapewatch.toml").open("a") as file:
            file.write(f'[elasticsearch]\nurls = ["{elasticsearch}"]\nprefix = "{job.folder.name}-"\n')
            file.write(f'refresh = "{REFRESH}"\n[api]\nport = {port}\n')

    return replace(
        bridge,
        name="tapewatch_documents",
        commands=lambda job: [*bridge.commands(job), [command, "index"], [command, "api"]],
        prepare=prepare,
    )


def ask(port: int, path: Path, ready: Event) -> None:
    """Ask for the newest alerts, again and again, and note when each was first in an answer."""
    seen: set[tuple[str, str]] = set()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client, path.open("w") as file:
        ready.set()
        while True:
            time.sleep(EVERY_S)
            try:
                answer = client.get("/alerts", params={"limit": 100})
            except httpx.TransportError:  # it is still starting
                continue
            now = time.time()
            for alert in answer.json()["items"] if answer.status_code == 200 else ():
                if (alert["symbol"], alert["timestamp"]) not in seen:
                    seen.add((alert["symbol"], alert["timestamp"]))
                    file.write(json.dumps(heard_line(alert["symbol"], alert["timestamp"], now)) + "\n")
            file.flush()
