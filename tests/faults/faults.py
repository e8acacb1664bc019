"""What can go wrong, one function a fault: each takes the cluster, the dice and how long an outage lasts."""

import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.stack import Cluster


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
    cluster.commands[chance.choice(("bridge-1", "bridge-2"))].kill()
    cluster.supervise()


def _bridge_away(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    bridge = cluster.commands[chance.choice(("bridge-1", "bridge-2"))]
    bridge.stop()
    time.sleep(outage_s)
    bridge.revive()


def _bridge_paused(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    bridge = cluster.commands[chance.choice(("bridge-1", "bridge-2"))]
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
    cluster.flush(cluster.queue)


def _state_killed(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.state.kill()
    time.sleep(1)
    cluster.state.restart()
    cluster.supervise()


def _state_flushed(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.flush(cluster.state)


def _elasticsearch(cluster: Cluster, chance: random.Random, outage_s: float) -> None:
    cluster.elasticsearch.kill()
    time.sleep(outage_s)
    cluster.elasticsearch.restart()
    cluster.supervise()


FAULTS = (
    Fault("worker child SIGKILL", _worker_child, 15),
    Fault("worker parent SIGKILL", _worker, 20),
    Fault("bridge SIGKILL", _bridge, 15),
    Fault("bridge removed and added", _bridge_away, 15),
    Fault("bridge SIGSTOP", _bridge_paused, 15),
    Fault("Kafka SIGKILL", _kafka, 60),
    Fault("queue Redis restarted", _queue_restarted, 30),
    Fault("queue Redis FLUSHALL", _queue_flushed, 30),
    Fault("state Redis SIGKILL", _state_killed, 30),
    Fault("state Redis FLUSHALL", _state_flushed, 60),
    Fault("Elasticsearch SIGKILL", _elasticsearch, 15),
)
