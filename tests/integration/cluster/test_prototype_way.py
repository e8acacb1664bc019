"""The first prototype's way on real servers, by the commands that a user types; compared with one process."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.cluster.servers.process import Launch

pytestmark = pytest.mark.cluster

TAPEWATCH = (sys.executable, "-c", "from tapewatch.runtime.cli import main; main()")
CELERY = (sys.executable, "-m", "celery", "-A", "tapewatch.tasks", "worker", "--loglevel", "warning")
HEADER = "timestamp , open , high , low , close , volume\n"


def bars() -> str:
    """An hour of TSLA as the prototype's file has it, padded and without a zone, with a jump and a crash."""
    closes = [250 + 0.1 * (i % 7) for i in range(60)]
    closes[30:34] = [272.0, 273.0, 272.5, 273.5]
    closes[45] = 220.0
    rows = [f"2025-04-07 10:{i:02}:00 , {c} , {c + 0.2} , {c - 0.2} , {c} , {1000 + i}\n" for i, c in enumerate(closes)]
    return HEADER + "".join(rows)


class Processes:
    """Commands that run until the test ends."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.running: list[Running] = []

    def begin(self, name: str, *command: str, **more: str) -> None:
        launch = Launch(name, command, self.folder, lambda: True, 10, {**self.environment, **more})
        self.running.append(Running("", 0, launch))

    def run(self, *command: str) -> str:
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def check(self) -> None:
        for one in self.running:
            assert one.alive, f"{one.name} has ended:\n{one.log.read_text()[-3000:]}"


@pytest.fixture
def processes(
    tmp_path: Path, kafka_server: Running, queue_redis: Running, state_redis: Running, elasticsearch_server: Running
) -> Iterator[Processes]:
    name = uuid.uuid4().hex[:8]
    (tmp_path / "TSLA_1min_sample.csv").write_text(bars())
    found = Processes(
        tmp_path,
        {
            "TAPEWATCH_KAFKA__BOOTSTRAP": kafka_server.address,
            "TAPEWATCH_KAFKA__TOPICS": f"tsla-data-{name}",
            "TAPEWATCH_KAFKA__PARTITIONS": "2",
            "TAPEWATCH_QUEUE__URL": queue_redis.address,
            "TAPEWATCH_STATE__URL": state_redis.address,
            "TAPEWATCH_STATE__PREFIX": f"p-{name}",
            "TAPEWATCH_BRIDGE__GROUP": f"bridge-{name}",
            "TAPEWATCH_INDEXER__GROUP": f"index-{name}",
            "TAPEWATCH_ELASTICSEARCH__URLS": elasticsearch_server.address,
            "TAPEWATCH_ELASTICSEARCH__PREFIX": f"p{name}-",
            "TAPEWATCH_RULES__PRESET": "prototype",
            "TAPEWATCH_API__PORT": str(free_port()),
            "TAPEWATCH_LOGGING__LEVELS": '{"tapewatch.trace": "debug"}',
        },
    )
    yield found
    for one in reversed(found.running):
        one.stop()


def embedded(processes: Processes) -> dict[tuple[str, int], dict[str, Any]]:
    """Every revision that one process finds in the file."""
    lines = processes.run(*TAPEWATCH, "replay", "TSLA_1min_sample.csv", "--json").splitlines()
    return {(a["alert_id"], a["revision"]): a for a in map(json.loads, lines)}


def followed(log: Path, what: str) -> dict[str, str]:
    """Trace ids by event id, of the lines with which a process tells what came through it. What other tests wrote by
    hand to the topics that all share has none."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if '"tapewatch.trace"' in line]
    return {line["event"]: line.get("trace_id", "") for line in lines if line["message"] == what}


def published(topic: str, bootstrap: str, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The wanted revisions as they stand in the topic, which other tests write to as well."""
    settings = {"bootstrap.servers": bootstrap, "group.id": uuid.uuid4().hex, "enable.auto.commit": False}
    consumer = Consumer(settings | {"enable.partition.eof": True, "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    found: dict[tuple[str, int], dict[str, Any]] = {}
    ended = 0
    while ended < len(partitions):
        message = consumer.poll(10)
        assert message is not None
        if message.error() is not None:
            ended += 1
            continue
        alert = json.loads(message.value() or b"{}")
        key = (alert["alert_id"], alert["revision"])
        if key in wanted:
            headers: dict[str, Any] = dict(message.headers() or [])  # typed as if they could be text
            assert headers["ce_id"] == f"{key[0]}:{key[1]}".encode()
            assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
            found[key] = alert
    consumer.close()
    return found


def test_the_file_goes_through_kafka_celery_and_elasticsearch_to_the_api_with_the_alerts_of_one_process(
    processes: Processes, kafka_server: Running
) -> None:
    expected = embedded(processes)
    assert len(expected) > 2
    topic = processes.environment["TAPEWATCH_KAFKA__TOPICS"]
    processes.run(*TAPEWATCH, "generate", "--to", "kafka", "--file", "TSLA_1min_sample.csv", "--topic", topic)
    processes.begin("consume", *TAPEWATCH, "consume")
    processes.begin("worker", *CELERY)
    processes.begin("index", *TAPEWATCH, "index")
    processes.begin("api", *TAPEWATCH, "api")

    newest = {alert: max(r for a, r in expected if a == alert) for alert, _ in expected}
    address = f"http://127.0.0.1:{processes.environment['TAPEWATCH_API__PORT']}/alerts/TSLA?limit=500"
    give_up = time.monotonic() + 240
    answered: dict[str, Any] = {}
    while {a: alert["revision"] for a, alert in answered.items()} != newest:
        assert time.monotonic() < give_up, f"{len(answered)} of {len(newest)} alerts after 240 s"
        processes.check()
        time.sleep(0.5)
        try:
            answer = httpx.get(address, timeout=10, trust_env=False)
        except httpx.TransportError:
            continue  # it has not come up yet
        if answer.status_code == 200:
            items = answer.json()["items"]  # those of other tests on the same topic among them
            answered = {alert["alert_id"]: alert for alert in items if alert["alert_id"] in newest}

    for alert_id, revision in newest.items():
        assert same(answered[alert_id]) == same(expected[alert_id, revision])
    on_topic = published("anomaly_alerts", kafka_server.address, set(expected))
    assert {key: same(alert) for key, alert in on_topic.items()} == {k: same(alert) for k, alert in expected.items()}
    sent = followed(processes.folder / "consume.log", "published")
    ours = {event: sent[event] for event in (f"{alert_id}:{revision}" for alert_id, revision in expected)}
    assert all(ours.values())
    assert ours.items() <= followed(processes.folder / "index.log", "indexed").items()
    # Settings that name another topic: what bridges own is shown all the same. Not the market's: none merges it.
    status = json.loads(processes.run(*TAPEWATCH, "status", "--json", "--set", "kafka.topics=another"))
    shards = [shard for shard in status["shards"] if shard["name"].startswith(topic)]
    assert [shard["lag"] for shard in shards] == [0, 0]
    assert all(shard["owner"] and shard["epoch"] >= 1 and shard["outbox"] == 0 for shard in shards)
    assert sum(shard["fates"].get("judged", 0) for shard in shards) == 60
    assert [worker["queues"] for worker in status["workers"]] == [["detect", "office"]]
    assert not any(server["trouble"] for server in status["servers"])


def test_a_bridge_and_a_worker_with_different_rules_say_so_instead_of_standing_still_without_a_word(
    processes: Processes,
) -> None:
    topic = processes.environment["TAPEWATCH_KAFKA__TOPICS"]
    processes.run(*TAPEWATCH, "generate", "--to", "kafka", "--file", "TSLA_1min_sample.csv", "--topic", topic)
    processes.begin("worker", *TAPEWATCH, "worker")  # of the rules prototype
    processes.begin("consume", *TAPEWATCH, "consume", "--preset", "default")
    worker, bridge = (one.log for one in processes.running)

    give_up = time.monotonic() + 120
    while "the bridge has the rules" not in worker.read_text() or "stands at 0" not in bridge.read_text():
        assert time.monotonic() < give_up, worker.read_text()[-1000:] + bridge.read_text()[-1000:]
        processes.check()
        time.sleep(0.5)
    assert "with the same rules?" in bridge.read_text()


def same(alert: dict[str, Any]) -> dict[str, Any]:
    """What has to be equal: all but the time of detection and where the record stood."""
    return {k: v for k, v in alert.items() if k not in {"timestamp_detection", "offset", "topic", "partition", "case"}}
