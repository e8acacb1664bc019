"""What a bridge makes of a queue that goes away under it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tapewatch.model.errors import RetryableError
from tapewatch.model.secret import Secret
from tapewatch.runtime.cluster.celery_app import make_app
from tapewatch.runtime.cluster.executors import CeleryExecutor
from tapewatch.runtime.cluster.protocol.ports import ShardId, Task
from tapewatch.runtime.cluster.servers import redis
from tapewatch.runtime.config.settings import Settings
from tapewatch.tape.port import RawBatch

pytestmark = pytest.mark.cluster


def test_a_queue_that_dies_under_an_open_connection_is_a_reason_to_try_again(tmp_path: Path) -> None:
    raw = RawBatch(b"{}", np.array([0, 2]), np.array([0]), np.array([0]), 0, 1)
    task = Task(ShardId("t", "id", 0), "i", "f", 1, raw)
    with redis.start(tmp_path, durable=False) as queue:
        settings = Settings()
        section = msgspec.structs.replace(settings.queue, url=Secret(queue.address))
        executor = CeleryExecutor(make_app(msgspec.structs.replace(settings, queue=section)), lambda: 16)
        assert executor.dispatch(task) is None
        queue.kill()
        with pytest.raises(RetryableError, match="the queue does not answer"):
            executor.dispatch(task)
        queue.restart()
        assert executor.dispatch(task) is None
