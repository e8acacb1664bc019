"""Memory: what waits is lag in Kafka and not memory here, for minutes without a worker and for hours with one."""

import time
from pathlib import Path

import pytest

from tests.faults.memory import Watch, middle, slope_bound
from tests.faults.run import LONG, Record, running
from tests.faults.stack import USUAL, Servers

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
SETTLE_S, STOPPED_S = 60.0, 600.0 if LONG else 120.0
WARM_S, SOAK_S, BLOCK_S = (900.0, 7200.0, 300.0) if LONG else (240.0, 360.0, 60.0)
OTHERS = tuple(name for name in USUAL if name != "worker")
GROWTH, SLOPE_MB_H = 0.10, 8.0


def test_without_workers_nothing_grows(servers: Servers, tmp_path: Path, record_property: Record) -> None:
    with running("workers stopped", tmp_path, servers, record_property) as run:
        run.cluster.begin(run.environment)
        run.feed(SETTLE_S + STOPPED_S)
        watch = Watch(run.cluster, OTHERS)
        watch.start()
        time.sleep(SETTLE_S)
        began = time.monotonic()
        run.cluster.commands["worker"].stop()
        time.sleep(STOPPED_S)
        ended = time.monotonic()
        run.cluster.supervise()
        run.finish(patience_s=STOPPED_S)
        watch.stop()
        grown = {}
        for name in OTHERS:
            before = middle(watch.between(name, began - SETTLE_S / 2, began))
            most = [
                max(s for _, s in watch.between(name, *span)) for span in ((began, ended), (ended, time.monotonic()))
            ]
            run.measured[f"{name} MB before, most without workers, most after"] = [round(s, 1) for s in (before, *most)]
            grown[name] = most[0] / before - 1
        run.measured["growth"] = {name: round(value, 3) for name, value in grown.items()}
        assert {name: value for name, value in grown.items() if value > GROWTH} == {}


def test_memory_does_not_grow_with_time(servers: Servers, tmp_path: Path, record_property: Record) -> None:
    with running("soak", tmp_path, servers, record_property) as run:
        run.cluster.begin(run.environment)
        run.feed(WARM_S + SOAK_S)
        watch = Watch(run.cluster, USUAL)
        watch.start()
        time.sleep(WARM_S)
        began = time.monotonic()
        time.sleep(SOAK_S)
        watch.stop()
        found = {name: slope_bound(watch.between(name, began, time.monotonic()), BLOCK_S) for name in USUAL}
        sizes = {name: middle(watch.between(name, began, time.monotonic())) for name in USUAL}
        run.measured["MB"] = {name: round(size, 1) for name, size in sizes.items()}
        run.measured["slope and bound MB/h"] = {name: [round(v, 1) for v in pair] for name, pair in found.items()}
        run.finish(patience_s=300)
        assert {name: bound for name, (_, bound) in found.items() if bound >= SLOPE_MB_H} == {}
