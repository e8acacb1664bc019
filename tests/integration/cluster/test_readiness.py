"""`/readyz` of the processes that work with a queue: not ready while they can do nothing, and for want of what."""

import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from tapewatch.runtime.cluster.servers import Running, kafka, redis
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.cluster.servers.process import Launch
from tests.integration.cluster.faulty import FaultyElastic

pytestmark = pytest.mark.cluster

TAPEWATCH = (sys.executable, "-c", "from tapewatch.runtime.cli import main; main()")


def eventually(holds: Callable[[], bool], one: Running, seconds: float = 90) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up and one.alive, one.log.read_text()[-3000:]
        time.sleep(0.2)


def readiness(port: int) -> tuple[int, dict[str, str | None]]:
    """The status and what each check says; 0 where it has not come up yet."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=20, trust_env=False)
    except httpx.TransportError:
        return 0, {}
    return answer.status_code, answer.json()["checks"]


def failing(port: int) -> set[str]:
    return {name for name, why in readiness(port)[1].items() if why}


def is_ready(port: int) -> bool:
    return readiness(port)[0] == 200


def lacks_kafka(port: int) -> bool:
    return "kafka" in failing(port)


@pytest.mark.parametrize(
    ("command", "servers"),
    [
        (("consume",), {"kafka", "group", "state", "queue"}),
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

    launch = Launch("process", (*TAPEWATCH, *command), tmp_path, lambda: True, 60, settings)
    one = Running("", port, launch)
    try:
        eventually(partial(is_ready, port), one)
        assert set(readiness(port)[1]) == servers
        queue.stop()
        eventually(lambda: readiness(port)[0] == 503, one)
        assert failing(port) == {"queue"}
        queue.restart()
        eventually(partial(is_ready, port), one)
    finally:
        one.stop()
        queue.stop()


def test_processes_without_kafka_or_their_store_say_so_also_while_there_is_nothing_to_do(
    tmp_path: Path, state_redis: Running, elasticsearch_server: Running
) -> None:
    name = uuid.uuid4().hex[:8]
    commands = (("consume", "--executor", "inline"), ("merge",), ("index",), ("archive",), ("notify",))
    ports = {command[0]: free_port() for command in commands}
    with kafka.start(tmp_path / "kafka") as broker, FaultyElastic(elasticsearch_server.address) as proxy:
        settings = {
            "TAPEWATCH_KAFKA__BOOTSTRAP": broker.address,
            "TAPEWATCH_KAFKA__PARTITIONS": "2",
            "TAPEWATCH_STATE__URL": state_redis.address,
            "TAPEWATCH_STATE__PREFIX": f"r-{name}",
            "TAPEWATCH_ELASTICSEARCH__URLS": proxy.address,
            "TAPEWATCH_ELASTICSEARCH__PREFIX": f"r-{name}-",
            "TAPEWATCH_ARCHIVE__URL": str(tmp_path / "archive"),
        }
        processes = {}
        try:
            for command in commands:
                port = ports[command[0]]
                own = settings | {"TAPEWATCH_OPS__PORT": str(port)}
                launch = Launch(command[0], (*TAPEWATCH, *command), tmp_path, lambda: True, 60, own)
                processes[command[0]] = Running("", port, launch)
                eventually(partial(is_ready, port), processes[command[0]])
            proxy.down = True
            eventually(lambda: failing(ports["index"]) == {"elasticsearch"}, processes["index"])
            proxy.down = False
            for process, port in ports.items():
                eventually(partial(is_ready, port), processes[process])
            broker.stop()
            for process, port in ports.items():
                eventually(partial(lacks_kafka, port), processes[process])
            broker.restart()
            for process, port in ports.items():
                eventually(partial(is_ready, port), processes[process])
        finally:
            for one in processes.values():
                one.stop()
