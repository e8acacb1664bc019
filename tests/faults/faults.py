"""What can go wrong, one function a fault: each takes the cluster, the dice and how long an outage lasts."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.stack import Cluster, flush, wait_until


@dataclass(frozen=True, slots=True)
class Fault:
    """`act` does it and returns when it is over; `bound_s` is within how long the tape has to move again after that."""

    name: str
    act: Callable[[Cluster, random.Random, float], None]
    bound_s: float


def _worker_child(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.commands["worker"].kill_child()


def _worker(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.commands["worker"].kill()
    cluster.supervise()


def _bridge(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.commands[_an_owner(cluster, chance)].kill()
    cluster.supervise()


def _an_owner(cluster: Cluster, chance: random.Random) -> str:
    """A bridge that has partitions: killing one without disturbs nobody."""
    found: list[str] = []

    def look() -> bool:
        found[:] = cluster.owners()
        return found != []

    wait_until(look, 60, "a bridge to have partitions")
    return chance.choice(found)


def _merger(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.commands["merger"].kill()
    cluster.supervise()


def _bridge_away(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    bridge = cluster.commands[_an_owner(cluster, chance)]
    bridge.stop()
    time.sleep(outage_s)
    bridge.revive()


def _bridge_paused(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    bridge = cluster.commands[_an_owner(cluster, chance)]
    bridge.process.send_signal(signal.SIGSTOP)
    time.sleep(outage_s)
    bridge.process.send_signal(signal.SIGCONT)


def _kafka(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.kafka.kill()
    time.sleep(outage_s)
    cluster.kafka.restart()
    cluster.supervise()


def _queue_restarted(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.queue.kill()
    time.sleep(1)
    cluster.queue.restart()
    cluster.supervise()


def _queue_flushed(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    flush(cluster.queue)


def _state_killed(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.state.kill()
    time.sleep(1)
    cluster.state.restart()
    cluster.supervise()


def _state_old(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    """It comes back as it was so long ago."""
    folder = cluster.state.folder / "appendonlydir"
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    time.sleep(outage_s)
    cluster.state.kill()
    shutil.rmtree(folder)
    kept.rename(folder)
    cluster.state.restart()
    cluster.supervise()


def _state_flushed(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    flush(cluster.state)


def _elasticsearch(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.elasticsearch.kill()
    time.sleep(outage_s)
    cluster.elasticsearch.restart()
    cluster.supervise()


WORKER_CHILD = Fault("worker child SIGKILL", _worker_child, 15)
WORKER = Fault("worker parent SIGKILL", _worker, 20)
BRIDGE = Fault("bridge SIGKILL", _bridge, 15)
MERGER = Fault("merger SIGKILL", _merger, 15)
BRIDGE_AWAY = Fault("bridge removed and added", _bridge_away, 15)
BRIDGE_PAUSED = Fault("bridge SIGSTOP", _bridge_paused, 15)
KAFKA = Fault("Kafka SIGKILL", _kafka, 60)
QUEUE_RESTARTED = Fault("queue Redis restarted", _queue_restarted, 30)
QUEUE_FLUSHED = Fault("queue Redis FLUSHALL", _queue_flushed, 30)
STATE_KILLED = Fault("state Redis SIGKILL", _state_killed, 30)
STATE_OLD = Fault("state Redis 5 s old", _state_old, 60)
STATE_FLUSHED = Fault("state Redis FLUSHALL", _state_flushed, 60)
ELASTICSEARCH = Fault("Elasticsearch SIGKILL", _elasticsearch, 15)

FAULTS = (
    WORKER_CHILD, WORKER, BRIDGE, MERGER, BRIDGE_AWAY, BRIDGE_PAUSED, KAFKA, QUEUE_RESTARTED, QUEUE_FLUSHED,
    STATE_KILLED, STATE_FLUSHED, ELASTICSEARCH,
)  # fmt: skip
"""What the combined tape is led through."""
