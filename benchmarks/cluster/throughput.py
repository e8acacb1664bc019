"""How fast a backlog is drained: from the first record that a contender processed to the append of its last alert."""

import json
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from benchmarks.cluster.contenders import Contender, Job, Processes
from benchmarks.cluster.tape import delete_topics, make_topics
from benchmarks.cluster.walk import Reference


@dataclass(frozen=True, slots=True)
class Drained:
    """What one run came to."""

    ticks_per_s: float
    seconds: float
    cpu_s_per_million: float
    peak_mb: float
    alerts: int  # distinct
    repeats: int


T = TypeVar("T")


def output(bootstrap: str, topic: str) -> Consumer:
    """A reader of what comes on a contender's output from now on."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"bench-{uuid.uuid4().hex[:8]}",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
            "isolation.level": "read_committed",
        }
    )
    found = _patiently(lambda: consumer.list_topics(topic, 5).topics[topic].partitions)
    partitions = [TopicPartition(topic, p) for p in found]
    for at in partitions:
        at.offset = _patiently(partial(consumer.get_watermark_offsets, at, 5))[1]
    consumer.assign(partitions)
    return consumer


def _patiently(ask: Callable[[], T]) -> T:
    """What a client that was made a moment ago may not know yet: the broker, or the leader of a new partition."""
    give_up = time.monotonic() + 30
    while True:
        try:
            return ask()
        except KafkaException as error:
            if time.monotonic() > give_up:
                raise
            print(f"asking again: {error.args[0].str()}")
            time.sleep(0.1)


def told(message: Message, opening: bool = True) -> tuple[str, str] | None:
    """Symbol and stamp of the tick of an alert; None for a later revision of one that was told, if `opening`."""
    alert = json.loads(message.value() or b"{}")
    if opening and alert.get("revision", 1) != 1:
        return None
    return alert["symbol"], alert["timestamp"]


def drain(
    contender: Contender,
    bootstrap: str,
    source: str,
    ticks: int,
    wanted: Reference,
    scratch: Path,
    timeout_s: float = 300,
) -> Drained:
    """Run one contender over a backlog. RuntimeError where it ends, is too slow, or its alerts are not those wanted."""
    run = uuid.uuid4().hex[:8]
    job = Job(bootstrap, source, f"out-{run}", f"bench-{contender.name}-{run}", scratch / run, latency=False)
    job.folder.mkdir(parents=True)
    make_topics(bootstrap, job.out)
    contender.prepare(job)
    consumer = output(bootstrap, contender.topic(job))
    processes = Processes(contender, job)
    try:
        found = _collect(contender, job, consumer, processes, wanted, timeout_s)
        seen, repeats, appended, cpu_s, peak_mb = found
        seconds = appended - contender.began(job)
    finally:
        processes.stop()
        delete_topics(bootstrap, job.out)
        shutil.rmtree(job.folder, ignore_errors=True)
    return Drained(ticks / seconds, seconds, cpu_s / ticks * 1e6, peak_mb, len(seen), repeats)


def _collect(
    contender: Contender, job: Job, consumer: Consumer, processes: Processes, wanted: Reference, timeout_s: float
) -> tuple[set[tuple[str, str]], int, float, float, float]:
    seen: set[tuple[str, str]] = set()
    ends = {(symbol, wanted.last_time) for symbol in wanted.last}
    repeats, appended, cpu_s, peak_mb = 0, 0.0, 0.0, 0.0
    give_up = time.monotonic() + timeout_s
    try:
        while not (ends <= seen and (not contender.exact or len(seen) >= wanted.alerts - wanted.near_ties)):
            if time.monotonic() > give_up:
                raise RuntimeError(f"{contender.name}: {len(seen)} of {wanted.alerts} alerts after {timeout_s:g} s")
            processes.check(job)
            for message in consumer.consume(1000, 0.05):
                if message.error() is not None or (alert := told(message, contender.exact)) is None:
                    continue
                repeats += alert in seen
                seen.add(alert)
                appended = max(appended, message.timestamp()[1] / 1e3)
            cpu_s, memory = processes.usage()
            peak_mb = max(peak_mb, memory)
    finally:
        consumer.close()
    if contender.exact and abs(len(seen) - wanted.alerts) > wanted.near_ties:
        raise RuntimeError(f"{contender.name}: {len(seen)} alerts where {wanted.alerts} are right")
    return seen, repeats, appended, cpu_s, peak_mb


def row(drained: list[Drained]) -> dict[str, object]:
    """All runs and the median of one contender."""
    ordered = sorted(d.ticks_per_s for d in drained)
    return {"median_ticks_per_s": round(ordered[len(ordered) // 2]), "runs": [asdict(d) for d in drained]}
