"""`/readyz` of the processes that work with a queue: not ready while they can do nothing, and for want of what."""

import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tapewatch.runtime.cluster.servers import Running, redis
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.cluster.servers.process import Launch

pytestmark = pytest.mark.cluster

TAPEWATCH = (sys.executable, "-c", "from tapewatch.runtime.cli import main; main()")


def eventually(holds: Callable[[], bool], one: Running, seconds: float = 90) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up and one.alive, one.log.read_text()[-3000:]
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("command", "servers"),
    [
        (("consume",), {"group", "state", "queue"}),
        (("worker",), {"state", "queue"}),
        (("worker", "--queues", "office"), {"state", "queue", "elasticsearch"}),
        (("beat",), {"queue"}),
    ],
    ids=["consume", "worker", "office", "beat"],
)
def test_a_process_without_its_queue_says_that_it_is_not_ready_until_the_queue_is_back(
    command: tuple[str, ...],
    servers: set[str],
    tmp_path: Path,
    kafka_server: Running,
    state_redis: Running,
    elasticsearch_server: Running,
) -> None:
    name, port = uuid.uuid4().hex[:8], free_port()
    queue = redis.start(tmp_path / "queue", durable=False)
    settings = {
        "TAPEWATCH_KAFKA__BOOTSTRAP": kafka_server.address,
        "TAPEWATCH_KAFKA__TOPICS": f"ready-{name}",
        "TAPEWATCH_KAFKA__PARTITIONS": "2",
        "TAPEWATCH_QUEUE__URL": queue.address,
        "TAPEWATCH_STATE__URL": state_redis.address,
        "TAPEWATCH_STATE__PREFIX": f"r-{name}",
        "TAPEWATCH_BRIDGE__GROUP": f"ready-{name}",
        "TAPEWATCH_ELASTICSEARCH__URLS": elasticsearch_server.address,
        "TAPEWATCH_OPS__PORT": str(port),
    }

    def ready() -> tuple[int, dict[str, str | None]]:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=20, trust_env=False)
        except httpx.TransportError:
            return 0, {}  # it has not come up yet
        return answer.status_code, answer.json()["checks"]

    launch = Launch("process", (*TAPEWATCH, *command), tmp_path, lambda: True, 60, settings)
    one = Running("", port, launch)
    try:
        eventually(lambda: ready()[0] == 200, one)
        assert set(ready()[1]) == servers
        queue.stop()
        eventually(lambda: ready()[0] == 503, one)
        assert {name for name, why in ready()[1].items() if why} == {"queue"}
        queue.restart()
        eventually(lambda: ready()[0] == 200, one)
    finally:
        one.stop()
        queue.stop()
