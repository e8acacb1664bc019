"""Names on two venues through the bridge: a shard has all venues of its names, and tells what embedded mode tells."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.cluster.detection_support import (
    Cluster,
    embedded,
    fill,
    published,
    running,
    wait_for_the_end,
    wait_for_the_merger,
)
from tests.unit.runtime.venues_support import rules_file, two_venues

pytestmark = pytest.mark.cluster


def test_the_inline_executor_gives_what_embedded_mode_gives_of_two_venues(
    make_cluster: Callable[[int], Cluster], tmp_path: Path
) -> None:
    feed, rules = two_venues(tmp_path), rules_file(tmp_path)
    expected = embedded(feed, rules)  # first: it compiles what the processes then find compiled
    cluster = make_cluster(2)
    cluster = replace(cluster, environment={**cluster.environment, "TAPEWATCH_RULES__FILE": str(rules.file)})
    fill(cluster, feed)
    bridge = cluster.command(
        tmp_path / "bridge", "consume", "--executor", "inline", TAPEWATCH_BRIDGE__BATCH_TICKS="2000"
    )
    with running(bridge, cluster.command(tmp_path / "merger", "merge")):
        wait_for_the_end(cluster)
        wait_for_the_merger(cluster)
    assert sum(getattr(item, "rule", "") == "venue_divergence" for item in expected.values()) > 3
    assert published(cluster) == expected
