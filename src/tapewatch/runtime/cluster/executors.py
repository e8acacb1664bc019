"""The two executors: the bridge's own process, and Celery's workers."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
from celery import Celery
from kombu import Producer  # type: ignore[attr-defined]  # kombu states no exports
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tapewatch.model.errors import RetryableError
from tapewatch.runtime.cluster.celery_app import DETECT, DETECT_TASK
from tapewatch.runtime.cluster.payload import MOST_BYTES, Payload, pack
from tapewatch.runtime.cluster.protocol.cutting import halves
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.ports import Done, Task

EXPIRES_S = 12.0
"""A task that nobody took for so long is dropped by the worker that takes it: it was dispatched again by then."""

ROOM_S = 1.0
"""For so long a look at the queue's length holds: less than a batch waits until it is dispatched again."""


class InlineExecutor:
    """Judges in the thread that dispatches."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def dispatch(self, task: Task) -> Done | None:
        return self._judge.run(task)


class CeleryExecutor:
    """Puts a batch into the queue `detect`.

    While the queue holds `most_queued` tasks or more, nothing is put there: nobody takes them, and what is dispatched
    again every few seconds must not fill the queue's memory. RetryableError then, and where the queue does not answer.
    Where tasks are taken within a second, the queue is asked for its length once a second: a shard has one in it.
    """

    def __init__(self, app: Celery, most_queued: Callable[[], int], clock_s: Callable[[], float]) -> None:
        self._app, self._most_queued, self._clock_s = app, most_queued, clock_s
        self._pool = app.amqp.producer_pool
        self._room_until_s = 0.0

    def dispatch(self, task: Task) -> Done | None:
        try:
            with self._pool.acquire(block=True, timeout=5.0) as producer:
                self._look_for_room(producer)  # before the batch is packed: it may be asked for twice a second
                payload = _packed(task)
                self._app.send_task(
                    DETECT_TASK,
                    kwargs=msgspec.to_builtins(payload),
                    queue=DETECT,
                    argsrepr="()",
                    kwargsrepr=f"{payload.topic}/{payload.partition} [{payload.start}, {payload.end})",  # for logs
                    expires=EXPIRES_S,
                    producer=producer,
                    retry=False,
                    ignore_result=True,
                )
        except (OperationalError, RedisError, OSError) as error:  # kombu wraps what its own calls raise, `llen` is ours
            raise RetryableError(f"the queue does not answer: {error}") from error
        return None

    def _look_for_room(self, producer: Producer) -> None:
        if self._clock_s() < self._room_until_s:
            return
        waiting = producer.channel.client.llen(DETECT)
        if waiting >= self._most_queued():
            raise RetryableError(f"{waiting} batches wait in the queue, and no worker takes them")
        self._room_until_s = self._clock_s() + ROOM_S


def _packed(task: Task) -> Payload:
    """The task, or its first half, quarter, ... that a message can hold."""
    payload = pack(task)
    while len(payload.data) > MOST_BYTES and len(task.raw) > 1:
        task = replace(task, raw=halves(task.raw)[0])
        payload = pack(task)
    return payload
