"""Servers and processes of one cluster, each of which can be killed and started again."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Elasticsearch's JSON

import httpx
import psutil
import redis as redis_client
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from tapewatch.model.errors import RetryableError
from tapewatch.model.secret import Secret
from tapewatch.runtime.cluster.layout import merger_group
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.cluster.servers import Running, elasticsearch, kafka, redis
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.stores.port import ShardHead, StateRow
from tapewatch.stores.redis import RedisShardStore, connect
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_names import BREADTH
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec, our_topics
from tapewatch.tape.port import RawBatch

MAIN = "from tapewatch.runtime.cli import main; main()"
DOOMED = "from tests.faults.doomed import doom; doom(); " + MAIN
PARTITIONS = 2
PARTS = {
    "bridge-1": ["consume"],
    "bridge-2": ["consume"],
    "merger": ["merge"],
    "worker": ["worker", "--concurrency", "2", "--queues", "detect"],
    "index": ["index"],
    "notify": ["notify"],
    "api": ["api"],
    "beat-1": ["beat"],
    "beat-2": ["beat"],
    "office": ["worker", "--queues", "office"],
}
"""Our processes, by the names that the tests give them."""
BRIDGES = ("bridge-1", "bridge-2")
USUAL = (*BRIDGES, "merger", "worker", "index", "notify", "api")
GROUP = "tapewatch"
"""The consumer group of the bridges."""
NO_MAIL = {"TAPEWATCH_NOTIFY__CONSOLE__ENABLED": "false"}


class Command:
    """One of our processes."""

    def __init__(self, name: str, main: str, environment: Mapping[str, str], folder: Path) -> None:
        """`main` is the text that Python runs; each process serves its figures on a port of its own."""
        self.name, self._main, self.port = name, main, free_port()
        self._environment = {"TAPEWATCH_OPS__PORT": str(self.port), **environment}
        self.log = folder / f"{name}.log"
        self.gave_up = 0
        """How often it ended though nobody wanted that, and was started again."""
        self.start()

    def start(self) -> None:
        self._wanted = True
        with self.log.open("ab") as out:
            keep = {"PYTHONDONTWRITEBYTECODE": ""}  # as for a user: a start does not compile every module again
            environment = {**os.environ, **keep, **self._environment}
            command = [sys.executable, "-c", self._main, *PARTS[self.name]]
            self.process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        self._wanted = False
        tree = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
        for process in tree:
            process.kill()
        self.process.wait()

    def kill_child(self) -> None:
        """SIGKILL to one of its children."""
        for child in psutil.Process(self.process.pid).children(recursive=True)[:1]:
            child.kill()

    def revive(self) -> None:
        """Start it where it has ended, as a supervisor does."""
        if self.process.poll() is not None:
            self.gave_up += self._wanted
            self.start()

    def stop(self) -> None:
        self._wanted = False
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@dataclass(frozen=True)
class Servers:
    """Kafka, the Redis of the state and that of the queue, and Elasticsearch: started once for all runs."""

    kafka: Running
    state: Running
    queue: Running
    elasticsearch: Running

    def clean(self) -> None:
        """As at the first start, whatever the run before left behind."""
        for server in (self.kafka, self.state, self.queue, self.elasticsearch):
            if not server.alive:
                server.restart()
        admin = AdminClient({"bootstrap.servers": self.kafka.address})
        known = [name for name in admin.list_topics(timeout=30).topics if not name.startswith("__")]
        for done in admin.delete_topics(known).values() if known else ():
            done.result(30)
        wait_until(lambda: not admin.list_topics(timeout=30).topics.keys() & set(known), 60, "topics to be gone")
        flush(self.state)
        flush(self.queue)
        with httpx.Client(base_url=self.elasticsearch.address, timeout=60, trust_env=False) as client:
            for index in client.get("/_cat/indices?format=json").raise_for_status().json():
                client.delete(f"/{index['index']}").raise_for_status()


@contextmanager
def serving(folder: Path) -> Iterator[Servers]:
    """The servers, with their files in the folder."""
    with (
        kafka.start(folder / "kafka") as broker,
        redis.start(folder / "state", name="state") as state,
        redis.start(folder / "queue", durable=False, name="queue") as queue,
        elasticsearch.start(folder / "elasticsearch") as search,
    ):
        yield Servers(broker, state, queue, search)


class Cluster:
    """Clean servers; `begin` starts our processes on them, `close` ends those."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._stack, self._folder = ExitStack(), folder
        self.commands: dict[str, Command] = {}
        self.kafka, self.state, self.queue = servers.kafka, servers.state, servers.queue
        self.elasticsearch = servers.elasticsearch
        servers.clean()
        self.topic = f"t-{uuid.uuid4().hex[:8]}"
        self.logs = (
            *((self.topic, partition, GROUP) for partition in range(PARTITIONS)),
            (BREADTH, 0, merger_group(GROUP)),
        )
        self.settings = KafkaSettings(self.kafka.address)
        KafkaTopics(self.settings).ensure([TopicSpec(self.topic, PARTITIONS), *our_topics((), PARTITIONS)])
        self.api = f"http://127.0.0.1:{free_port()}"

    def begin(
        self,
        environment: Mapping[str, str],
        *,
        names: Sequence[str] = USUAL,
        own: Mapping[str, Mapping[str, str]] | None = None,
        doomed: Sequence[str] = (),
    ) -> None:
        """Start processes: `environment` beside where the servers are, `own` by name; the `doomed` fail on order."""
        common = {
            "TAPEWATCH_KAFKA__BOOTSTRAP": self.kafka.address,
            "TAPEWATCH_KAFKA__TOPICS": self.topic,
            "TAPEWATCH_KAFKA__PARTITIONS": str(PARTITIONS),
            "TAPEWATCH_STATE__URL": self.state.address,
            "TAPEWATCH_QUEUE__URL": self.queue.address,
            "TAPEWATCH_ELASTICSEARCH__URLS": self.elasticsearch.address,
            "TAPEWATCH_BRIDGE__SNAPSHOT_S": "10",
            "TAPEWATCH_ARCHIVE__URL": str(self._folder / "archive"),
            "TAPEWATCH_API__PORT": self.api.rpartition(":")[2],
            **NO_MAIL,
            **environment,
        }
        for name in names:
            main = DOOMED if name in doomed else MAIN
            self.commands[name] = Command(name, main, {**common, **(own or {}).get(name, {})}, self._folder)
            self._stack.callback(self._end, name)

    def _end(self, name: str) -> None:
        if self.commands[name].process.poll() is None:
            self.commands[name].stop()

    def close(self) -> None:
        self._stack.close()

    def lives(self, name: str) -> bool:
        """Whether one of our processes has not ended."""
        return self.commands[name].process.poll() is None

    def supervise(self) -> None:
        """Start again what has ended of our processes."""
        for command in self.commands.values():
            command.revive()

    # --- what a test looks at

    # of the shards: the partitions of the tape, and the merger's last

    def ends(self) -> list[int]:
        """How long their logs are."""
        return self._of_tapes(lambda tape: tape.bounds()[1])

    def committed(self) -> list[int]:
        """Their committed offsets."""
        return self._of_tapes(lambda tape: tape.committed_with_metadata()[0])

    def _of_tapes(self, ask: Callable[[KafkaTape], int]) -> list[int]:
        found = []
        for topic, partition, group in self.logs:
            tape = KafkaTape(self.settings, topic, partition, group=group)
            found.append(ask(tape))
            tape.close()
        return found

    def heads(self) -> list[ShardHead]:
        """Where their states stand, of those that have one."""
        return [head for head, _ in self._states([])]

    def rows(self) -> list[dict[str, bytes]]:
        """The rows of their states by key."""
        return [{row.key: row.data for row in rows} for _, rows in self._states(None)]

    def _states(self, keys: Sequence[str] | None) -> list[tuple[ShardHead, list[StateRow]]]:
        topics = KafkaTopics(self.settings).find([self.topic, BREADTH])
        client = connect(Secret(self.state.address))
        store = RedisShardStore(client)
        found = [store.load(ShardId(t, topics[t].topic_id, p).name, keys) for t, p, _ in self.logs]
        client.close()
        return [state for state in found if state is not None]

    def owners(self) -> list[str]:
        """The bridges that have partitions now."""
        return [name for name in BRIDGES if self.figure("tapewatch_shard_phase", name) > 0]

    def log(self, topic: str, partition: int) -> list[RawBatch]:
        """All of a partition."""
        tape = KafkaTape(self.settings, topic, partition)
        at, end = tape.bounds()
        found = []
        while at < end:
            found.append(tape.read(at))
            at = found[-1].end
        tape.close()
        return found

    def figure(self, family: str, *names: str, **labels: str) -> float:
        """The sum of a family's samples with these labels over these processes, of those that answer."""
        total = 0.0
        for name in names:
            try:
                text = httpx.get(f"http://127.0.0.1:{self.commands[name].port}/metrics", trust_env=False).text
            except httpx.TransportError:  # it is down, and its figures with it
                continue
            samples = (s for found in text_string_to_metric_families(text) for s in found.samples)
            total += sum(s.value for s in samples if s.name == family and labels.items() <= s.labels.items())
        return total

    def documents(self) -> dict[str, int]:
        """Alerts in Elasticsearch: id to revision."""
        return self._documents("alerts", "alert_id")

    def group_documents(self) -> dict[str, int]:
        """Groups in Elasticsearch: id to revision."""
        return self._documents("groups", "group_id")

    def _documents(self, index: str, name: str) -> dict[str, int]:
        client = httpx.Client(base_url=self.elasticsearch.address, timeout=30)
        client.post(f"/{index}/_refresh")
        found: dict[str, int] = {}
        body: dict[str, Any] = {"size": 1000, "sort": [name], "_source": [name, "revision"]}
        while hits := client.post(f"/{index}/_search", json=body).json()["hits"]["hits"]:
            found |= {hit["_source"][name]: hit["_source"]["revision"] for hit in hits}
            body["search_after"] = hits[-1]["sort"]
        client.close()
        return found


def flush(server: Running) -> None:
    """FLUSHALL."""
    client: Any = redis_client.Redis.from_url(server.address)
    client.flushall()
    client.close()


def wait_until(ready: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Seconds until it was so."""
    began = time.monotonic()
    why = ""
    while True:
        try:
            if ready():
                return time.monotonic() - began
        except RetryableError as error:  # servers that came back may not answer everything at once
            why = str(error)
        assert time.monotonic() - began < timeout_s, f"waited {timeout_s:g} s for {what} {why}"
        time.sleep(0.25)
