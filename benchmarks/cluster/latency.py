"""How long an alert takes: from the producer's clock just before it hands the tick over, to a reader of the alerts.

Only planted jumps count. The reader is a process of its own, so that the producer's pace does not disturb it.
"""

import json
import multiprocessing
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from benchmarks.cluster.contenders import Contender, Job, Processes, wait_for
from benchmarks.cluster.tape import delete_topics, make_topics, send
from benchmarks.cluster.throughput import output, told
from benchmarks.cluster.walk import Walk, last_of_partition, message, partition

QUIET_ROWS = 21
BAR_S = 60.0
"""A bar is stamped with its start, and known at its end."""
LEAST_SLEEP_S = 0.0005
"""At a high rate what is due in this time is produced at once: a wake for each tick took most of a core."""
Key = tuple[str, str]
_APART = multiprocessing.get_context("spawn")  # a fork of a process with Kafka clients cannot make one


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, how long, and how often something jumps: each symbol in one row of `one_in`."""

    ticks_per_s: int
    seconds: float
    one_in: int
    symbols: int = 500
    warm_rows: int = 100
    lead_s: float = 2.0  # paced, but not counted
    linger_ms: float = 0.0  # of the producer: at a high rate a request for each tick would busy the broker


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds over the alerts that were waited for."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    most_ms: float
    alerts: int
    missing: int
    behind_ms: float  # p99 of the last fifth less p99 of the first: grows with a lag


def stamp(at_s: float) -> str:
    """RFC 3339 to the microsecond: what a tick carries, and what its alert carries back."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def heard_line(symbol: str, timestamp: str, now_s: float) -> tuple[str, float, float]:
    """What a reader notes of an alert, as a line of JSON: whose, of which tick, and when it was read."""
    return symbol, _seconds(timestamp), now_s


def _listen(bootstrap: str, topic: str, path: Path, ready: Event) -> None:
    consumer = output(bootstrap, topic)
    with path.open("w", buffering=1) as file:
        ready.set()
        while True:
            found = consumer.poll(1.0)
            now = time.time()
            if found is not None and found.error() is None and (alert := told(found)) is not None:
                file.write(json.dumps(heard_line(*alert, now)) + "\n")


def _heard(path: Path) -> dict[tuple[str, int], float]:
    """Arrival by symbol and microsecond of the tick; the first where it came twice."""
    heard: dict[tuple[str, int], float] = {}
    text = path.read_text()
    for line in text[: text.rfind("\n") + 1].splitlines():  # the last line may still be written
        symbol, at, now = json.loads(line)
        heard.setdefault((symbol, round(at * 1e6)), now)
    return heard


def measure(
    contender: Contender, bootstrap: str, pace: Pace, scratch: Path, reader: Callable[[Path, Event], None] | None = None
) -> Latency:
    """One run of one contender; an `echo` without commands reads its own input: two bare hops.

    `reader` runs in a process of its own instead of the one that reads the contender's topic: it writes to the file
    what `heard_line` makes, and says when it is ready.
    """
    run = uuid.uuid4().hex[:8]
    job = Job(bootstrap, f"in-{run}", f"out-{run}", f"bench-{contender.name}-{run}", scratch / run, latency=True)
    job.folder.mkdir(parents=True)
    make_topics(bootstrap, job.source, job.out)
    contender.prepare(job)
    path, ready = job.folder / "heard", _APART.Event()
    topic = job.source if contender.name == "echo" else contender.topic(job)
    read = reader or partial(_listen, bootstrap, topic)
    listener = _APART.Process(target=read, args=(path, ready), daemon=True)
    walk, producer = Walk(pace.symbols, seed=23), _paced_producer(bootstrap, pace.linger_ms)
    listener.start()
    ready.wait(15)
    marks = _warm(job, walk, pace, producer)
    processes = Processes(contender, job)
    try:
        wait_for("the warm-up's alerts", lambda: processes.check(job) or marks <= set(_heard(path)), 180)  # type: ignore[func-returns-value] # it raises
        time.sleep(2)
        waited = _drive(job, walk, pace, producer)
        give_up = time.monotonic() + 15
        while not set(waited) <= set(_heard(path)) and time.monotonic() < give_up:
            time.sleep(0.3)
        return _sum_up(waited, _heard(path))
    finally:
        processes.stop()
        listener.terminate()
        listener.join()
        delete_topics(bootstrap, job.source, job.out)
        shutil.rmtree(job.folder, ignore_errors=True)


def _paced_producer(bootstrap: str, linger_ms: float) -> Producer:
    return Producer({"bootstrap.servers": bootstrap, "linger.ms": linger_ms, "acks": "all", "enable.idempotence": True})


def _warm(job: Job, walk: Walk, pace: Pace, producer: Producer) -> set[tuple[str, int]]:
    """Rows of the past, the last tick of each partition a jump; returns those."""
    began = time.time() - pace.warm_rows - 30 - BAR_S
    ends = last_of_partition(walk.symbols)
    for r in range(pace.warm_rows):
        jump = np.zeros(pace.symbols, bool)
        jump[ends] = r == pace.warm_rows - 1
        columns = [c.tolist() for c in walk.row(jump)]
        rows = zip(walk.symbols, zip(*columns, strict=True), strict=True)
        send(producer, job.source, [(s, message(s, stamp(began + r), v)) for s, v in rows])
    producer.flush(60)
    return {(walk.symbols[i], round(_seconds(stamp(began + pace.warm_rows - 1)) * 1e6)) for i in ends}


def _drive(job: Job, walk: Walk, pace: Pace, producer: Producer) -> dict[tuple[str, int], float]:
    """Produce at the pace; returns when each planted jump was handed over."""
    n, rng = pace.symbols, np.random.default_rng(29)
    parts = [partition(s) for s in walk.symbols]
    jumped = rng.integers(-QUIET_ROWS, 1, n)  # else all of them could jump in the first rows, and from then on together
    waited: dict[tuple[str, int], float] = {}
    total, lead = int((pace.seconds + pace.lead_s) * pace.ticks_per_s), int(pace.lead_s * pace.ticks_per_s)
    start = time.perf_counter() + 0.01
    k = 0
    while k < total:
        due = min(total, int((time.perf_counter() - start) * pace.ticks_per_s) + 1)
        now = time.time()  # what is due at once has one time, but for the ticks of one symbol: they would be repeats
        text, burst, rows = stamp(now - BAR_S), [], 0
        while k < due:
            r, i = divmod(k, n)
            if i == 0:
                rows += 1
                text = stamp(now - BAR_S + 1e-6 * rows)
                jump = (rng.random(n) < 1 / pace.one_in) & (r - jumped > QUIET_ROWS)
                jumped[jump] = r
                values = list(zip(*(c.tolist() for c in walk.row(jump)), strict=True))
                flags = jump.tolist()
            symbol = walk.symbols[i]
            burst.append({"value": message(symbol, text, values[i]), "key": symbol, "partition": parts[i]})
            if flags[i] and k >= lead:
                waited[symbol, round(_seconds(text) * 1e6)] = now
            k += 1
        if producer.produce_batch(job.source, burst) < len(burst):
            raise RuntimeError("the client's queue is full")
        producer.poll(0)
        time.sleep(max(LEAST_SLEEP_S, start + k / pace.ticks_per_s - time.perf_counter()))
    producer.flush(30)
    return waited


def _sum_up(waited: dict[tuple[str, int], float], heard: dict[tuple[str, int], float]) -> Latency:
    ms = np.array([(heard[k] - at) * 1e3 for k, at in waited.items() if k in heard])
    if not len(ms):
        raise RuntimeError("no alert came")
    fifth = max(1, len(ms) // 5)
    p50, p90, p99 = (float(np.percentile(ms, q)) for q in (50, 90, 99))
    behind = float(np.percentile(ms[-fifth:], 99) - np.percentile(ms[:fifth], 99))
    return Latency(p50, p90, p99, float(ms.max()), len(ms), len(waited) - len(ms), behind)
