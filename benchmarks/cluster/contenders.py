"""Who takes part, and how each is started: it reads topic IN and writes alerts to topic OUT until it is ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tapewatch.runtime.cluster.servers.downloads import Artifact, cache_folder, maven, once

PEERS = Path(__file__).parent / "peers"
KAFKA_STREAMS = "4.1.0"
JACKSON = "2.19.0"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one contender."""

    bootstrap: str
    source: str
    out: str
    group: str
    folder: Path
    latency: bool  # lingers nowhere

    @property
    def first_file(self) -> Path:
        """Where a peer writes when it began."""
        return self.folder / "first"


@dataclass(frozen=True, slots=True)
class Contender:
    """A name, its commands, and when it began with its first record (seconds since the epoch)."""

    name: str
    commands: Callable[[Job], Sequence[Sequence[str]]]
    environment: Mapping[str, str] = field(default_factory=dict)
    began: Callable[[Job], float] = lambda job: float(json.loads(job.first_file.read_text())["t"])
    topic: Callable[[Job], str] = lambda job: job.out  # where its alerts are read
    prepare: Callable[[Job], None] = lambda _: None
    exact: bool = True  # its alerts are those of the peers' one rule, and are counted


class Processes:
    """The running processes of a contender."""

    def __init__(self, contender: Contender, job: Job) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "BOOTSTRAP": job.bootstrap,
            "IN": job.source,
            "OUT": job.out,
            "GROUP": job.group,
            "FIRSTFILE": str(job.first_file),
            "STATEDIR": str(job.folder),
            "MODE": "L" if job.latency else "T",
            "LINGER_MS": "0" if job.latency else "5",
            **contender.environment,
        }
        self._running = []
        for i, command in enumerate(contender.commands(job)):
            with (job.folder / f"{i}.log").open("wb") as log:
                self._running.append(
                    subprocess.Popen(
                        command,
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        cwd=job.folder,
                        start_new_session=True,
                    )
                )

    def check(self, job: Job) -> None:
        """RuntimeError with the end of its log where one has ended."""
        for i, process in enumerate(self._running):
            if process.poll() is not None:
                raise RuntimeError(f"process {i} ended: {(job.folder / f'{i}.log').read_text()[-2000:]}")

    def usage(self) -> tuple[float, float]:
        """Processor seconds so far and resident MB, children included."""
        cpu = memory = 0.0
        for process in self._tree():
            try:
                times = process.cpu_times()
                cpu += times.user + times.system
                memory += process.memory_info().rss / 1e6
            except psutil.Error:  # it has just ended
                continue
        return cpu, memory

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to what is left."""
        tree = self._tree()
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        psutil.wait_procs(tree, timeout=15)
        for left in tree:
            if left.is_running():
                left.kill()
        for process in self._running:
            process.wait(10)

    def _tree(self) -> list[psutil.Process]:
        found = []
        for process in self._running:
            if process.poll() is None:
                parent = psutil.Process(process.pid)
                found += [parent, *parent.children(recursive=True)]
        return found


def wait_for(what: str, ready: Callable[[], bool], timeout_s: float) -> None:
    """Poll until it is so."""
    give_up = time.monotonic() + timeout_s
    while not ready():
        if time.monotonic() > give_up:
            raise RuntimeError(f"waited {timeout_s:g} s for {what}")
        time.sleep(0.02)


def _peer(name: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.cluster.peers.{name}"]


def handwritten() -> Contender:
    """msgspec, a deque and running sums; keeps nothing."""
    return Contender("handwritten", lambda _: [_peer("handwritten")])


def fused() -> Contender:
    """msgspec into columns and one Numba kernel; keeps nothing."""
    return Contender("handwritten_numba", lambda _: [_peer("fused")])


def kafka_streams(guarantee: str) -> Contender:
    """Kafka Streams, `at_least_once` or `exactly_once_v2`."""
    classpath = f"{_compiled()}:{_jars()}/*"
    command = ["java", "-Xms512m", "-Xmx1g", "-cp", classpath, "ZScore"]
    return Contender(f"kafka_streams_{guarantee}", lambda _: [command], {"GUARANTEE": guarantee, "THREADS": "1"})


def _jars() -> Path:
    artifacts = [
        Artifact("org.apache.kafka", "kafka-streams", KAFKA_STREAMS),
        Artifact("com.fasterxml.jackson.core", "jackson-core", JACKSON),
        Artifact("org.slf4j", "slf4j-nop", "1.7.36"),
    ]
    return maven(cache_folder() / f"kafka-streams-{KAFKA_STREAMS}", artifacts)


def _compiled() -> Path:
    source = PEERS / "kstreams" / "ZScore.java"
    stamp = int(source.stat().st_mtime)

    def compile_into(folder: Path) -> None:
        subprocess.run(["javac", "-cp", f"{_jars()}/*", "-d", str(folder), str(source)], check=True)

    return once(cache_folder() / f"kafka-streams-zscore-{stamp}", compile_into)
