"""The real servers start, die, come back with what they had, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic  # where it is exported by its types too
from redis import Redis

from tapewatch.runtime.cluster.servers import Running, ServerFailedError, redis

pytestmark = pytest.mark.cluster


def _kafka_keeps(server: Running) -> Callable[[], bool]:
    topic = f"kept-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": server.address})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": server.address, "acks": "all"})
    producer.produce(topic, b"value")
    assert producer.flush(30) == 0

    def kept() -> bool:
        consumer = Consumer({"bootstrap.servers": server.address, "group.id": topic})
        give_up = time.monotonic() + 30
        try:
            while True:
                try:
                    return bool(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30) == (0, 1))
                except KafkaException as error:  # it answers before its partitions have their leaders again
                    if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > give_up:
                        raise
                    time.sleep(0.1)
        finally:
            consumer.close()

    return kept


def _elasticsearch_keeps(server: Running) -> Callable[[], bool]:
    document = f"{server.address}/kept/_doc/{uuid.uuid4().hex}"
    assert httpx.put(document, json={"a": 1}, timeout=60).status_code == 201
    return lambda: httpx.get(document, timeout=60).json()["_source"] == {"a": 1}


def _redis_keeps(server: Running) -> Callable[[], bool]:
    key = uuid.uuid4().hex
    Redis.from_url(server.address).set(key, "kept")
    return lambda: Redis.from_url(server.address).get(key) == b"kept"


@pytest.mark.parametrize(
    ("fixture", "keeps"),
    [
        ("state_redis", _redis_keeps),
        ("kafka_server", _kafka_keeps),
        ("elasticsearch_server", _elasticsearch_keeps),
    ],
)
def test_a_killed_server_comes_back_at_its_address_with_what_it_had(
    fixture: str, keeps: Callable[[Running], Callable[[], bool]], request: pytest.FixtureRequest
) -> None:
    server: Running = request.getfixturevalue(fixture)
    kept, address, first = keeps(server), server.address, server.process.pid
    server.kill()
    assert not server.alive
    server.restart()
    assert (server.alive, server.address) == (True, address)
    assert server.process.pid != first
    assert kept()


@pytest.mark.parametrize("fixture", ["state_redis", "kafka_server", "elasticsearch_server"])
def test_servers_listen_on_the_loopback_interface_only(fixture: str, request: pytest.FixtureRequest) -> None:
    server: Running = request.getfixturevalue(fixture)
    process = psutil.Process(server.process.pid)
    family = [process, *process.children(recursive=True)]
    listening = [c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a user to give up")
def test_elasticsearch_does_not_run_as_root(elasticsearch_server: Running) -> None:
    process = psutil.Process(elasticsearch_server.process.pid)
    assert 0 not in {p.uids().real for p in [process, *process.children(recursive=True)]}


def test_a_server_ends_with_who_started_it_even_by_sigkill(tmp_path: Path) -> None:
    text = (
        "import os, pathlib, signal, sys\n"
        "from tapewatch.runtime.cluster.servers import redis\n"
        "server = redis.start(pathlib.Path(sys.argv[1]))\n"
        "print(server.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", text, str(tmp_path)], stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    _wait_until(lambda: _gone(int(done.stdout)))


def test_a_paused_server_answers_again_when_it_is_resumed(tmp_path: Path) -> None:
    with redis.start(tmp_path) as server:
        server.pause()
        _wait_until(lambda: psutil.Process(server.process.pid).status() == psutil.STATUS_STOPPED)
        server.resume()
        assert Redis.from_url(server.address).ping()
        server.pause()  # and one that is paused can be ended


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServerFailedError, match=r"redis ended with status 1(.|\n)*no-such-setting"):
        redis.start(tmp_path, settings={"no-such-setting": "1"})


def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _wait_until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    give_up = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)
