"""Fixtures of every suite: the real servers, one start of each for the whole run (marker `cluster`).

They live here because the contract suites run on them as well. Who kills or stops a server starts one of its own, or
has it back up at the end of the test.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn  # redis types its commands for asynchronous clients as well

import pytest
from hypothesis import settings

from tapewatch.runtime.cluster.servers import Running, ServerMissingError

REQUIRE = "TAPEWATCH_REQUIRE_SERVERS"
"""Where this is set, a server that cannot be had fails the tests that need it: CI must not pass by skipping."""

_missing = pytest.StashKey[dict[str, str]]()


settings.register_profile("tapewatch", deadline=None)  # a busy machine is no defect of what is tested
settings.load_profile("tapewatch")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_missing] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, reason in config.stash[_missing].items():
        terminalreporter.section(f"NOT TESTED: {name}", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"every test that needs {name} was skipped: {reason}", red=True)


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """Where the servers keep their files; open to the user that Elasticsearch runs as where we are root."""
    folder = Path(tempfile.mkdtemp(prefix="tapewatch-servers-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def kafka_server(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Running]:
    """A Kafka broker; `address` is what `bootstrap.servers` takes. Tests create topics, with names of their own."""
    from tapewatch.runtime.cluster.servers import kafka

    yield from _run(request, "kafka", lambda: kafka.start(servers_folder / "kafka"))


@pytest.fixture(scope="session")
def state_redis(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Running]:
    """The Redis for state, with an append-only file; `address` is a URL."""
    from tapewatch.runtime.cluster.servers import redis

    yield from _run(request, "redis", lambda: redis.start(servers_folder / "state", name="redis-state"))


@pytest.fixture(scope="session")
def redis_cluster(state_redis: Running, servers_folder: Path) -> Iterator[str]:
    """The URL of one of two servers that make a Redis Cluster, each with half of the slots."""
    from redis import Redis

    from tapewatch.runtime.cluster.servers import redis

    del state_redis  # asked for so that a missing Redis is reported in one place
    settings = {"cluster-enabled": "yes"}
    with (
        redis.start(servers_folder / "a", settings=settings, name="redis-a") as a,
        redis.start(servers_folder / "b", settings=settings, name="redis-b") as b,
    ):
        clients: list[Any] = [Redis.from_url(node.address) for node in (a, b)]
        clients[0].execute_command("CLUSTER ADDSLOTSRANGE 0 8191")
        clients[1].execute_command("CLUSTER ADDSLOTSRANGE 8192 16383")
        clients[0].execute_command(f"CLUSTER MEET 127.0.0.1 {b.port}")
        give_up = time.monotonic() + 30
        while not all(c.cluster("info")["cluster_state"] == "ok" for c in clients):
            assert time.monotonic() < give_up, "the cluster did not form"
            time.sleep(0.05)
        yield a.address


@pytest.fixture(scope="session")
def queue_redis(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Running]:
    """The Redis for Celery's queue, without a file; `address` is a URL."""
    from tapewatch.runtime.cluster.servers import redis

    yield from _run(request, "redis", lambda: redis.start(servers_folder / "queue", durable=False, name="redis-queue"))


@pytest.fixture(scope="session")
def elasticsearch_server(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Running]:
    """An Elasticsearch node; `address` is a URL."""
    from tapewatch.runtime.cluster.servers import elasticsearch

    yield from _run(request, "elasticsearch", lambda: elasticsearch.start(servers_folder / "elasticsearch"))


def _run(request: pytest.FixtureRequest, name: str, start: Callable[[], Running]) -> Iterator[Running]:
    try:
        server = start()
    except ServerMissingError as missing:
        skip_without(request.config, name, missing)
    with server:
        yield server


def skip_without(config: pytest.Config, name: str, missing: ServerMissingError) -> NoReturn:
    """Skip what needs this server, and have the summary say so; raise where servers are required."""
    if os.environ.get(REQUIRE):
        raise missing
    config.stash[_missing][name] = str(missing)
    pytest.skip(f"{name} cannot be had: {missing}")
