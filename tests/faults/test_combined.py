"""One tape through twenty seeded faults: every record counted once, no alert missing, none invented, none twice."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tapewatch.model.alerts import Alert
from tests.faults.faults import FAULTS, Fault
from tests.faults.stack import Cluster, wait_until
from tests.faults.tapes import Producer, expected, feed, records

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]

COUNT = int(os.environ.get("FAULTS_COUNT", "20"))
SECONDS = float(os.environ.get("FAULTS_SECONDS", "300"))
SEED = int(os.environ.get("FAULTS_SEED", "41"))


def chosen(chance: random.Random) -> list[Fault]:
    """Every kind at least once where there is room, in any order."""
    found = [*FAULTS, *(chance.choice(FAULTS) for _ in range(COUNT))][:COUNT]
    chance.shuffle(found)
    return found


def test_nothing_is_lost_or_invented_through_twenty_faults(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    days = 2
    wanted, chance = expected(feed(days)), random.Random(SEED)
    assert len(wanted) > 100
    cluster = Cluster(tmp_path)
    try:
        wait_until(lambda: len(cluster.heads()) == 2, 180, "the bridges to take their partitions")
        producer = Producer(cluster, feed(days), records(feed(days)), SECONDS)
        producer.start()
        times = []
        for fault in chosen(chance):
            time.sleep(chance.uniform(1, 4))
            fault.act(cluster, chance, chance.uniform(5, 15))
            times.append((fault.name, _moves(cluster), fault.bound_s))
        producer.join(SECONDS + 120)
        assert producer.failed is None and not producer.is_alive()
        cluster.supervise()
        wait_until(lambda: cluster.committed() == cluster.ends(), 120, "the end of the tape")
        record_property("recovery_s", times)
        record_property("repeats", _compare(cluster, wanted))
        assert [t for t in times if t[1] > t[2]] == [], "recovered too late"
    finally:
        cluster.close()


def _moves(cluster: Cluster) -> float:
    """Seconds until every partition's state is where its log ended just now."""
    goal = cluster.ends()
    return wait_until(lambda: _reached(cluster, goal), 180, "the tape to move")


def _reached(cluster: Cluster, goal: list[int]) -> bool:
    heads = cluster.heads()
    return len(heads) == len(goal) and all(h.next >= g for h, g in zip(heads, goal, strict=True))


def _compare(cluster: Cluster, wanted: dict[str, Alert]) -> int:
    """How many repeats the topic holds."""
    found, repeats = cluster.published()
    missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    assert (missing, extra) == (set(), set())
    assert found == wanted
    counted = [sum(head.fates.values()) for head in cluster.heads()]
    assert counted == cluster.ends(), "every record has one fate"
    newest: dict[str, int] = {}
    for name in wanted:
        alert_id, _, revision = name.partition(":")
        newest[alert_id] = max(newest.get(alert_id, 0), int(revision))
    wait_until(lambda: cluster.documents() == newest, 60, "Elasticsearch to hold the newest revision of every alert")
    return repeats
