"""A bridge on a pattern of topics, by KIP-848, on a Redis Cluster; and one whose topic was given more partitions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.integration.cluster.detection_support import (
    Cluster,
    embedded,
    fill,
    published,
    running,
    simulated,
    wait_for_the_end,
    wait_for_the_merger,
)

pytestmark = pytest.mark.cluster


def test_a_pattern_of_topics_by_kip_848_on_a_redis_cluster_gives_what_embedded_mode_gives(
    make_cluster: Callable[[int], Cluster], redis_cluster: str, tmp_path: Path
) -> None:
    cluster, expected = make_cluster(2), embedded(simulated())  # which compiles what the processes need
    other = {
        "TAPEWATCH_KAFKA__TOPICS": f"^{cluster.topic[:-2]}.*",
        "TAPEWATCH_BRIDGE__GROUP_PROTOCOL": "consumer",
        "TAPEWATCH_STATE__URL": redis_cluster,
        "TAPEWATCH_STATE__CLUSTER": "true",
    }
    cluster = replace(cluster, environment={**cluster.environment, **other})
    fill(cluster, simulated())
    bridge = cluster.command(tmp_path / "bridge", "consume", "--executor", "inline")
    with running(bridge, cluster.command(tmp_path / "merger", "merge")):
        wait_for_the_end(cluster)
        wait_for_the_merger(cluster)
    assert published(cluster) == expected


def test_a_topic_that_was_given_more_partitions_is_refused_with_what_to_do(
    make_cluster: Callable[[int], Cluster], tmp_path: Path
) -> None:
    cluster = make_cluster(2)
    fill(cluster, simulated())
    with running(cluster.command(tmp_path / "first", "consume", "--executor", "inline")):
        wait_for_the_end(cluster)
    admin = AdminClient(cluster.kafka.common())
    admin.create_partitions([NewPartitions(cluster.topic, 3)])[cluster.topic].result(30)
    bridge = cluster.command(tmp_path / "second", "consume", "--executor", "inline")
    assert bridge.wait(120) == 2, "what a person has to put right"
    said = (tmp_path / "second").read_text()
    assert f"topic {cluster.topic} has 3 partitions" in said
    assert f"tapewatch topics copy {cluster.topic} {cluster.topic}-2" in said
