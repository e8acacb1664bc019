"""The cluster on this machine: four servers, the topics and indices, then our processes."""

import json
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from tapewatch.model.errors import GiveUpError, InputError
from tapewatch.runtime.cluster.local.parts import Addresses, Part, our_parts, start_part
from tapewatch.runtime.cluster.local.watched import Seen, Watched
from tapewatch.runtime.cluster.servers import Running, elasticsearch, kafka, redis
from tapewatch.runtime.cluster.servers.account import reachable, unprivileged
from tapewatch.runtime.cluster.servers.ports import HOST, free_port
from tapewatch.runtime.config.kafka import KafkaSection, kafka_settings
from tapewatch.stores.elasticsearch import ElasticSettings, connect, ensure_indices
from tapewatch.tape.kafka_topics import KafkaTopics, our_topics

MARKER = "tapewatch-cluster.json"
"""Stands in a folder that is ours to empty."""
ENVIRONMENT = "environment.sh"
_SERVERS_S = 900.0  # a first start downloads
_ENDING = ("generator", "api", "beat", "bridge", "merger")  # first those that bring work, then the rest


@dataclass(frozen=True, slots=True)
class Plan:
    """What is started. `generator` are arguments of `tapewatch generate`, None for no feed; `environment` goes to each
    of our processes over its own; `keep` goes on with what an earlier run left in the folder."""

    folder: Path
    kafka: KafkaSection = field(default_factory=KafkaSection)
    generator: tuple[str, ...] | None = ()
    workers: int = 2
    api_port: int = 8000
    keep: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class LocalCluster:
    """Started by `start`, ended by `end`, in one thread; the rest may be called from another one."""

    def __init__(self, plan: Plan) -> None:
        """Prepares the folder: InputError for one that holds something else than an earlier cluster."""
        self.plan = plan
        self.began = time.monotonic()
        self.first_alert_s: float | None = None
        """Seconds from the beginning until Elasticsearch had an alert."""
        self.step = "preparing"
        _prepare(plan.folder, plan.keep)
        folder, port = plan.folder, free_port()
        self._elasticsearch = f"http://{HOST}:{port}"  # known before it is up, so that others can be told
        starts: dict[str, Callable[[], Running]] = {
            "kafka": lambda: kafka.start(folder / "kafka"),
            "redis-queue": lambda: redis.start(folder / "redis-queue", durable=False, name="redis-queue"),
            "redis-state": lambda: redis.start(folder / "redis-state", name="redis-state"),
            "elasticsearch": lambda: elasticsearch.start(folder / "elasticsearch", port),
        }
        self._servers = {name: Watched(name, start) for name, start in starts.items()}
        self._ours: dict[str, Watched] = {}
        self._ending = threading.Event()

    @property
    def api(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.plan.api_port}"

    def start(self) -> None:
        """Start everything, in order. Raises the error of a server that cannot be had or does not come up.

        Elasticsearch takes longest: what does without it is at work by then."""
        self.step = "starting the servers (a first start downloads some 180 MB)"
        for server in self._servers.values():
            server.begin()
        self._wait_for("kafka", "redis-queue", "redis-state")
        if self._ending.is_set():
            return
        addresses = self._addresses()
        self._create_topics(addresses.kafka)
        environment = self._environment(addresses)
        parts = list(our_parts(self.plan.workers))
        if self.plan.generator is not None:
            feed = ("generate", "--to", "kafka", *self.plan.generator)
            parts.insert(0, Part("generator", feed, once=True, late=True))  # its load would hold Elasticsearch up
        self._begin([part for part in parts if not part.late], environment)
        self.step = "waiting for Elasticsearch"
        self._wait_for("elasticsearch")
        self._create_indices(addresses.elasticsearch)
        self._begin([part for part in parts if part.late], environment)
        self.step = "waiting for the first alert"

    def look(self) -> list[Seen]:
        """Every process as it is now; notes when the first alert stands in Elasticsearch."""
        if self.first_alert_s is None and self._ours and self._alerts():
            self.first_alert_s = time.monotonic() - self.began
            self.step = "running"
        return [watched.seen() for watched in (*self._servers.values(), *self._ours.values())]

    def end(self) -> None:
        """End all of it, our processes before the servers; returns when nothing is left."""
        self.step = "ending"
        self._ending.set()
        ours = sorted(self._ours.values(), key=lambda w: w.name not in _ENDING)
        _end_together(ours)
        _end_together(list(self._servers.values()))

    def _wait_for(self, *names: str) -> None:
        for server in (self._servers[name] for name in names):
            if not server.wait_up(_SERVERS_S):
                raise server.error or GiveUpError(f"{server.name} did not come up within {_SERVERS_S:g} s")

    def _begin(self, parts: list[Part], environment: Mapping[str, str]) -> None:
        for part in parts:
            if self._ending.is_set():
                return
            start = partial(start_part, part, self.plan.folder / "logs", environment)
            watched = Watched(part.name, start, once=part.once)
            watched.begin()
            self._ours = {**self._ours, part.name: watched}  # the screen may be reading the other one

    def _addresses(self) -> Addresses:
        at = {name: server.running.address for name, server in self._servers.items() if server.running is not None}
        return Addresses(at["kafka"], at["redis-queue"], at["redis-state"], self._elasticsearch)

    def _create_topics(self, bootstrap: str) -> None:
        section = self.plan.kafka
        topics = our_topics(section.topics, section.partitions, section.retention_days)
        KafkaTopics(kafka_settings(_at(section, bootstrap), "tapewatch-cluster")).ensure(topics, 1)

    def _create_indices(self, url: str) -> None:
        client = connect(ElasticSettings((url,)))
        try:
            ensure_indices(client)
        finally:
            client.close()

    def _environment(self, addresses: Addresses) -> dict[str, str]:
        section = self.plan.kafka
        environment = {
            **addresses.environment(),
            "TAPEWATCH_KAFKA__TOPICS": json.dumps(list(section.topics)),
            "TAPEWATCH_KAFKA__PARTITIONS": str(section.partitions),
            "TAPEWATCH_DATA_DIR": str(self.plan.folder / "data"),
            "TAPEWATCH_ARCHIVE__URL": str(self.plan.folder / "archive"),
            "TAPEWATCH_API__PORT": str(self.plan.api_port),
            **self.plan.environment,
        }
        lines = [f"export {name}={shlex.quote(value)}" for name, value in environment.items()]
        (self.plan.folder / ENVIRONMENT).write_text("\n".join(lines) + "\n")
        return environment

    def _alerts(self) -> bool:
        server = self._servers["elasticsearch"].running
        if server is None:
            return False
        try:
            answer = httpx.get(f"{server.address}/alerts/_count", timeout=1, trust_env=False)
        except httpx.TransportError:
            return False  # it is down: the screen says so, and this is asked again
        return answer.status_code == 200 and answer.json()["count"] > 0


def _at(section: KafkaSection, bootstrap: str) -> KafkaSection:
    return KafkaSection(bootstrap=bootstrap, topics=section.topics, partitions=section.partitions)


def _prepare(folder: Path, keep: bool) -> None:
    """An empty folder of ours, but for what is kept."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise InputError(f"{folder} holds something else than an earlier cluster: name another with --dir")
    if not keep:
        shutil.rmtree(folder, ignore_errors=not folder.exists())
        elsewhere = reachable(folder / "elasticsearch")  # where root's own folder is closed to the user it runs as
        if unprivileged() and elsewhere.exists():
            shutil.rmtree(elsewhere)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text('{"made by": "tapewatch cluster"}\n')


def _end_together(watched: list[Watched]) -> None:
    if watched:
        with ThreadPoolExecutor(len(watched)) as pool:
            list(pool.map(Watched.end, watched))
