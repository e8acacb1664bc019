"""Elasticsearch is away for long, and comes back busy: alerting does not notice, and everything is caught up."""

import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from tapewatch.tape.kafka_names import ALERTS
from tests.faults.compare import newest, published
from tests.faults.run import LONG, RATE, Record, running
from tests.faults.stack import PARTITIONS, Cluster, Servers, wait_until
from tests.integration.cluster.faulty import FaultyElastic

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
BEFORE_S, DOWN_S = (600.0, 3600.0) if LONG else (120.0, 300.0)
SETTLE_S, CAUGHT_UP_S, BUSY, WINDOWS = 30.0, 300.0, 20, 5
SINKS = ("index", "notify", "api")


def alerting(cluster: Cluster) -> tuple[np.ndarray, np.ndarray]:
    """Of each alert on the topic: when it was appended (s), and how long after the record that made it (ms). Alerts are
    in the partition of the same number as their records, both by the symbol."""
    when, taken = [], []
    for partition in range(PARTITIONS):
        appended = np.concatenate([raw.ts_append_ns for raw in cluster.log(cluster.topic, partition)])
        for raw in cluster.log(ALERTS, partition):
            offsets = [offset_of(raw.data[raw.starts[i] : raw.starts[i + 1]]) for i in range(len(raw))]
            when.append(raw.ts_append_ns)
            taken.append(raw.ts_append_ns - appended[offsets])
    return np.concatenate(when) / 1e9, np.concatenate(taken) / 1e6


def offset_of(alert: bytes) -> int:
    return int(alert.rpartition(b'"offset":')[2].split(b",")[0].rstrip(b"}"))


def p99s(when: np.ndarray, taken: np.ndarray, begin: float, end: float) -> list[float]:
    """The 99th percentile (ms) of alerts in each of five windows of equal length."""
    edges = np.linspace(begin, end, WINDOWS + 1)
    parts = [taken[(when >= low) & (when < high)] for low, high in pairwise(edges)]
    assert min(map(len, parts)) >= 100, "too few alerts in a window for a percentile"
    return [round(float(np.percentile(part, 99)), 1) for part in parts]


def holds(cluster: Cluster, goal: dict[str, int]) -> bool:
    """Whether Elasticsearch has these alerts, at these revisions or later ones."""
    there = cluster.documents()
    return all(there.get(alert_id, 0) >= revision for alert_id, revision in goal.items())


def test_alerting_does_not_notice_and_all_is_caught_up(
    servers: Servers, tmp_path: Path, record_property: Record
) -> None:
    with running("Elasticsearch down", tmp_path, servers, record_property) as run:
        cluster = run.cluster
        with FaultyElastic(cluster.elasticsearch.address) as proxy:
            own = {name: {"TAPEWATCH_ELASTICSEARCH__URLS": proxy.address} for name in SINKS}
            cluster.begin(run.environment, own=own)
            run.feed(SETTLE_S + BEFORE_S + DOWN_S)
            time.sleep(SETTLE_S)
            began = time.time()
            time.sleep(BEFORE_S)
            cluster.elasticsearch.kill()
            down = time.time()
            time.sleep(DOWN_S)
            back = time.time()
            proxy.busy = proxy.partial = BUSY
            cluster.elasticsearch.restart()
            goal = newest(published(cluster)[0].values())
            caught_up = wait_until(lambda: holds(cluster, goal), 2 * CAUGHT_UP_S, "Elasticsearch to hold all of it")
            run.finish()
            refused = proxy.refused
        when, taken = alerting(cluster)
        before, during = p99s(when, taken, began, down), p99s(when, taken, down, back)
        run.measured |= {"records a second": RATE, "p99 before ms": before, "p99 during ms": during}
        run.measured |= {"caught up s": round(caught_up, 1), "refused by the proxy": refused}
        assert refused > BUSY
        assert caught_up < CAUGHT_UP_S
        assert median(during) <= 1.25 * median(before) + 5
