"""The same tape through embedded mode and through the cluster's executors: the same alerts, signals and groups, each
revision of them, and no other."""

from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import Plan, SimulatorConfig, market
from tapewatch.model.market import Group
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.config.settings import FeedSettings
from tapewatch.runtime.feeds import open_feed
from tests.integration.cluster.detection_support import (
    BARS,
    Cluster,
    embedded,
    figure,
    fill,
    published,
    records,
    running,
    simulated,
    wait_for_the_end,
    wait_for_the_merger,
)

TSLA = BARS / "TSLA_1min_sample.csv"
MONTH = tuple(BARS / "binance" / f"{name}USDT-1m-2025-02.csv.gz" for name in ("ALGO", "AVAX", "FIL", "NEAR"))
INLINE = 0  # workers
EVERY = [(p, w) for p in (1, 2, 7) for w in (INLINE, 1, 2, 4)]
pytestmark = pytest.mark.cluster


def real_file() -> Feed:
    return open_feed(FeedSettings(sources=(str(TSLA),)))


def month() -> Feed:
    """Four coins that fell together on the third."""
    return open_feed(FeedSettings(sources=tuple(map(str, MONTH))))


def many() -> Feed:
    """200 symbols, of which on the second day some fall alone and those of one market all at once."""
    plan = Plan(kinds=("market_selloff", "drop"), rate=2.0, times=(2.0, 4.0))
    return market(SimulatorConfig(seed=4, stocks=120, crypto=80, days=2, plan=plan))


TAPES = {"simulated": simulated, "tsla": real_file, "month": month, "many": many}
GROUPED = {"simulated", "month", "many"}  # of one symbol alone there is no group


def combinations(quick: set[tuple[str, int, int]]) -> list[ParameterSet]:
    """Every tape with every number of partitions and workers; those that are not quick only with the others."""
    found = []
    for tape in TAPES:
        for partitions, workers in EVERY:
            marks = [pytest.mark.shared_data] if tape in ("tsla", "month") else []
            if (tape, partitions, workers) not in quick:
                marks.append(pytest.mark.combinations)
            found.append(pytest.param(tape, partitions, workers, marks=marks))
    return found


QUICK = {("simulated", 7, 4), ("tsla", 1, 1), ("month", 2, INLINE), ("many", 7, INLINE), ("many", 2, 2)}


@pytest.mark.parametrize(("tape", "partitions", "workers"), combinations(QUICK))
def test_the_cluster_gives_what_embedded_mode_gives(
    make_cluster: Callable[[int], Cluster], tmp_path: Path, tape: str, partitions: int, workers: int
) -> None:
    if tape in ("tsla", "month") and not TSLA.exists():
        pytest.skip("the development data is not beside the checkout")
    expected = embedded(TAPES[tape]())  # first: it compiles what the processes then find compiled
    cluster = make_cluster(partitions)
    fill(cluster, TAPES[tape]())
    executor = "celery" if workers else "inline"
    batch = "2000" if tape == "simulated" else "20000"  # more batches than workers
    processes = [
        cluster.command(tmp_path / "bridge", "consume", "--executor", executor, TAPEWATCH_BRIDGE__BATCH_TICKS=batch)
    ]
    processes += [cluster.command(tmp_path / "merger", "merge")]
    port = free_port()
    if workers:
        worker = ("worker", "--concurrency", str(workers), "--ops-port", str(port))
        processes += [cluster.command(tmp_path / "worker", *worker)]
    with running(*processes):
        wait_for_the_end(cluster)
        wait_for_the_merger(cluster)
        if workers:
            assert figure(port, "tapewatch_records_judged_total") == sum(records(cluster))
    found = published(cluster)
    assert expected
    assert any(isinstance(item, Group) for item in expected.values()) == (tape in GROUPED)
    assert found == expected
