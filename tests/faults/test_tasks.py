"""Celery's tasks come twice, not at all, or in the wrong order: the state refuses what it must; nobody notices."""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.faults.run import LONG, SEED, Record, running
from tests.faults.stack import Servers

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
QUEUE = "detect"
HOLD_S = 4.0
"""Longer than until a batch is dispatched again: then there are two of it, and the older one comes last."""


class Postman(threading.Thread):
    """Carries tasks from the database that bridges write to, 1, to the one that workers read, 0, in its own way."""

    def __init__(self, address: str, carry: Callable[["Postman"], None]) -> None:
        super().__init__(daemon=True)
        self.bridges: Any = Redis.from_url(bridges_queue(address))
        self.workers: Any = Redis.from_url(address)
        self.chance, self.done = random.Random(SEED), threading.Event()
        self.carried = self.tampered = 0
        self._carry = carry

    def run(self) -> None:
        while not self.done.is_set():
            self._carry(self)

    def take(self, wait_s: float = 0.5) -> bytes | None:
        """The oldest task that waits."""
        found = self.bridges.brpop(QUEUE, timeout=wait_s)
        self.carried += found is not None
        return None if found is None else bytes(found[1])

    def give(self, *tasks: bytes) -> None:
        """In this order."""
        if tasks:
            self.workers.lpush(QUEUE, *tasks)


def twice(post: Postman) -> None:
    if (task := post.take()) is not None:
        post.give(task, task)
        post.tampered += 1


def lost(post: Postman) -> None:
    if (task := post.take()) is not None:
        if post.chance.random() < 0.1:
            post.tampered += 1
        else:
            post.give(task)


def backwards(post: Postman) -> None:
    tasks, until = [], time.monotonic() + HOLD_S
    while time.monotonic() < until:
        if (task := post.take(0.1)) is not None:
            tasks.append(task)
    post.give(*reversed(tasks))
    post.tampered += len(tasks)


def bridges_queue(address: str) -> str:
    return address.removesuffix("/0") + "/1"


@pytest.mark.parametrize("carry", [twice, lost, backwards])
def test_tasks_may_come(
    carry: Callable[[Postman], None], servers: Servers, tmp_path: Path, record_property: Record
) -> None:
    with running(f"tasks {carry.__name__}", tmp_path, servers, record_property) as run:
        address = run.cluster.queue.address
        own = {name: {"TAPEWATCH_QUEUE__URL": bridges_queue(address)} for name in ("bridge-1", "bridge-2")}
        post = Postman(address, carry)
        post.start()
        run.cluster.begin(run.environment, own=own)
        run.feed(300 if LONG else 60)
        run.finish()
        again = run.cluster.figure("tapewatch_batches_redispatched_total", *own)
        run.measured |= {"tasks": post.carried, "of them so": post.tampered, "dispatched again": again}
        run.measured["commits refused"] = run.refused()
        assert post.tampered > 0
        assert again > 0 if carry is lost else run.refused() > 0
        post.done.set()
        post.join()
