"""Compare on real servers and write the results as JSON: `python -m benchmarks.cluster.run [throughput] [latency] ...`.

Servers are started as plain processes and ended with the run. Contenders take turns, so that what disturbs the machine
disturbs all of them. Kafka Streams' exactly-once topic has no repeats; ours may, after a crash (consumers drop them).
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cluster.contenders import Contender, fused, handwritten, kafka_streams
from benchmarks.cluster.documents import REFRESH, ask, indexed
from benchmarks.cluster.latency import Pace, measure
from benchmarks.cluster.ours import Servers, echo, tapewatch
from benchmarks.cluster.tape import backlog
from benchmarks.cluster.throughput import drain
from benchmarks.cluster.walk import Plan
from benchmarks.speed.machine import describe, load
from benchmarks.speed.measure import Target, judge
from tapewatch.runtime.cluster.servers import elasticsearch, kafka, redis
from tapewatch.runtime.cluster.servers.ports import free_port

RESULTS = Path(__file__).parent / "results"
EOS = "exactly_once_v2"
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs, and how large a run is asked for."""

    bootstrap: str
    servers: Servers
    folder: Path
    ticks: int
    rounds: int
    seconds: float


@contextmanager
def stack(ticks: int, rounds: int, seconds: float) -> Iterator[Stack]:
    """Kafka and both Redis servers."""
    with tempfile.TemporaryDirectory(prefix="tapewatch-bench-") as temporary:
        folder = Path(temporary)
        with (
            kafka.start(folder / "kafka", heap_mb=1024) as broker,
            redis.start(folder / "state", name="state") as state,
            redis.start(folder / "queue", durable=False, name="queue") as queue,
        ):
            yield Stack(broker.address, Servers(state.address, queue.address), folder / "runs", ticks, rounds, seconds)


def throughput(stack: Stack, symbols: int = 500) -> Result:
    """Drain one backlog by everybody, in turn."""
    plan = Plan(stack.ticks // symbols, symbols, 2_000)
    topic = f"tape-{symbols}"
    wanted = backlog(stack.bootstrap, topic, plan)
    contenders = [
        handwritten(),
        fused(),
        kafka_streams("at_least_once"),
        kafka_streams(EOS),
        tapewatch(stack.servers, "inline", "bench-z"),
        tapewatch(stack.servers, "celery", "bench-z"),
        tapewatch(stack.servers, "inline", "default"),
        tapewatch(stack.servers, "celery", "default"),
    ]
    runs: dict[str, list[dict[str, Any]]] = {c.name: [] for c in contenders}
    for _ in range(stack.rounds):
        for contender in contenders:
            found = drain(contender, stack.bootstrap, topic, plan.ticks, wanted, stack.folder)
            print(f"  {contender.name:36} {found.ticks_per_s:>12,.0f} ticks/s", flush=True)
            runs[contender.name].append(asdict(found))
    rate = {name: statistics.median(r["ticks_per_s"] for r in found) for name, found in runs.items()}
    values = {
        "inline over Kafka Streams exactly-once": rate["tapewatch_inline_bench-z"] / rate[f"kafka_streams_{EOS}"],
        "inline over the hand-written loop": rate["tapewatch_inline_bench-z"] / rate["handwritten"],
        "Celery over Kafka Streams exactly-once": rate["tapewatch_celery_bench-z"] / rate[f"kafka_streams_{EOS}"],
        "default rules over bench-z, inline": rate["tapewatch_inline_default"] / rate["tapewatch_inline_bench-z"],
        "default rules over bench-z, Celery": rate["tapewatch_celery_default"] / rate["tapewatch_celery_bench-z"],
    }
    limits = (1.2, 0.65, 0.8, 0.6, 0.6)
    targets = [Target(name, "at least", limit) for name, limit in zip(values, limits, strict=True)]
    return {
        "ticks": plan.ticks,
        "symbols": symbols,
        "median_ticks_per_s": rate,
        "runs": runs,
        **_judged(targets, values),
    }


def symbols(stack: Stack) -> Result:
    """The same rate of ticks over twenty times the symbols. Who is first changes: a warm broker helps the second."""
    rates: dict[str, list[float]] = {}
    plans = {n: Plan(stack.ticks // n, n, 2_000) for n in (500, 10_000)}
    wanted = {n: backlog(stack.bootstrap, f"wide-{n}", plan) for n, plan in plans.items()}
    contender = tapewatch(stack.servers, "inline", "bench-z")
    for turn in range(stack.rounds):
        for n, plan in list(plans.items())[:: -1 if turn % 2 else 1]:
            found = drain(contender, stack.bootstrap, f"wide-{n}", plan.ticks, wanted[n], stack.folder)
            print(f"  {n:>6} symbols {found.ticks_per_s:>12,.0f} ticks/s", flush=True)
            rates.setdefault(str(n), []).append(found.ticks_per_s)
    median = {n: statistics.median(found) for n, found in rates.items()}
    values = {"10,000 symbols over 500": median["10000"] / median["500"]}
    targets = [Target("10,000 symbols over 500", "at least", 0.7)]
    return {"ticks": stack.ticks, "runs": rates, **_judged(targets, values)}


def latency(stack: Stack) -> Result:
    """From producing a tick to reading its alert."""
    slow = Pace(1_000, stack.seconds, 2)  # as rich as can be: a jump is in its symbol's window for 20 ticks
    inline, celery = (tapewatch(stack.servers, e, "bench-z") for e in ("inline", "celery"))
    plans: list[tuple[str, Contender, Pace]] = [
        (c.name, c, slow) for c in (echo(), handwritten(), kafka_streams(EOS), inline, celery)
    ]
    # A broker that has not yet seen this rate compiles for half a minute; 5 ms are librdkafka's default.
    fast = Pace(20_000, stack.seconds, 400, lead_s=30.0, linger_ms=5.0)
    plans += [(f"{c.name} at 20,000/s", c, fast) for c in (echo(), inline)]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in plans}
    for _ in range(stack.rounds):
        for name, contender, pace in plans:
            found = measure(contender, stack.bootstrap, pace, stack.folder)
            print(
                f"  {name:36} p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms, {found.alerts} alerts", flush=True
            )
            runs[name].append(asdict(found))
    return {"rate": slow.ticks_per_s, "seconds": slow.seconds, "runs": runs, **_latency_targets(runs)}


def documents(stack: Stack) -> Result:
    """From producing a tick to an answer of `GET /alerts` that has its alert."""
    pace = Pace(1_000, stack.seconds, 40, lead_s=15.0)  # Elasticsearch takes its time to be warm
    runs = []
    with tempfile.TemporaryDirectory(prefix="tapewatch-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # Elasticsearch runs as somebody else
        with elasticsearch.start(folder / "elasticsearch") as node:
            for _ in range(stack.rounds):
                port = free_port()
                contender = indexed(stack.servers, node.address, port)
                found = measure(contender, stack.bootstrap, pace, stack.folder, partial(ask, port))
                print(f"  p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms, {found.alerts} alerts", flush=True)
                runs.append(asdict(found))
    values = {"produce to GET /alerts, p99 ms": float(statistics.median(run["p99_ms"] for run in runs))}
    targets = [Target(name, "at most", 1_500.0) for name in values]
    return {"rate": pace.ticks_per_s, "refresh_interval": REFRESH, "runs": runs, **_judged(targets, values)}


def _latency_targets(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Result:
    def median(name: str, figure: str) -> float:
        return float(statistics.median(run[figure] for run in runs[name]))

    hop = median("echo", "p99_ms")
    values = {
        "inline p50 ms": median("tapewatch_inline_bench-z", "p50_ms"),
        "inline p99 ms": median("tapewatch_inline_bench-z", "p99_ms"),
        "Celery p50 ms": median("tapewatch_celery_bench-z", "p50_ms"),
        "Celery p99 ms": median("tapewatch_celery_bench-z", "p99_ms"),
        "inline at 20,000/s p99 ms": median("tapewatch_inline_bench-z at 20,000/s", "p99_ms"),
    }
    limits = (4.0, max(20.0, hop + 15.0), 12.0, 40.0, 50.0)
    return _judged([Target(name, "at most", limit) for name, limit in zip(values, limits, strict=True)], values)


def _judged(targets: Sequence[Target], values: Mapping[str, float]) -> Result:
    return {"targets": judge(targets, values)}


BENCHMARKS: dict[str, Callable[[Stack], Result]] = {
    "throughput": throughput,
    "latency": latency,
    "symbols": symbols,
    "documents": documents,
}


def main() -> None:
    """Run what was asked for, all of it by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--ticks", type=int, default=5_000_000, help="of the backlog")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=46.0, help="of a paced run")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with stack(arguments.ticks, arguments.rounds, arguments.seconds) as up:
        for name in arguments.names or BENCHMARKS:
            print(f"{name} ...", flush=True)
            before, began = load(), time.perf_counter()
            found = BENCHMARKS[name](up)
            result = {"benchmark": name, "machine": describe(), "load_before": before, "rounds": arguments.rounds}
            result |= {"took_s": round(time.perf_counter() - began, 1), **found}
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
            for target in found["targets"]:
                print(f"  {target}", flush=True)


if __name__ == "__main__":
    main()
