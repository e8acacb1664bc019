"""What a bridge makes of a queue that goes away under it."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tapewatch.model.errors import RetryableError
from tapewatch.model.secret import Secret
from tapewatch.runtime.cluster.celery_app import make_app
from tapewatch.runtime.cluster.executors import CeleryExecutor
from tapewatch.runtime.cluster.protocol.ports import ShardId, Task
from tapewatch.runtime.cluster.servers import Running, redis
from tapewatch.runtime.config.settings import Settings
from tapewatch.tape.port import RawBatch

pytestmark = pytest.mark.cluster


TASK = Task(ShardId("t", "id", 0), "i", "f", 1, RawBatch(b"{}", np.array([0, 2]), np.array([0]), np.array([0]), 0, 1))


def executor_on(queue: Running, clock_s: Callable[[], float] = time.monotonic) -> CeleryExecutor:
    settings = Settings()
    section = msgspec.structs.replace(settings.queue, url=Secret(queue.address))
    return CeleryExecutor(make_app(msgspec.structs.replace(settings, queue=section)), lambda: 3, clock_s)


def test_a_queue_that_dies_under_an_open_connection_is_a_reason_to_try_again(tmp_path: Path) -> None:
    with redis.start(tmp_path, durable=False) as queue:
        executor = executor_on(queue)
        assert executor.dispatch(TASK) is None
        queue.kill()
        with pytest.raises(RetryableError, match="the queue does not answer"):
            executor.dispatch(TASK)
        queue.restart()
        assert executor.dispatch(TASK) is None


def test_a_queue_that_nobody_takes_from_is_not_filled(tmp_path: Path) -> None:
    now_s = 100.0
    with redis.start(tmp_path, durable=False) as queue:
        executor = executor_on(queue, lambda: now_s)
        for _ in range(3):
            executor.dispatch(TASK)
            now_s += 3.0  # nobody took it: it is dispatched again
        for _ in range(2):
            with pytest.raises(RetryableError, match="3 batches wait in the queue"):
                executor.dispatch(TASK)
