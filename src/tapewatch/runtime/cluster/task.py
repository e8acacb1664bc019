"""The task `tapewatch.detect`: one batch, judged and committed by a worker."""

import gc
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from functools import lru_cache

from billiard import active_children  # type: ignore[import-untyped]  # it has no types
from celery import shared_task
from celery.signals import worker_init, worker_process_init, worker_shutting_down

from tapewatch.model.errors import InputError, RetryableError, TapewatchError
from tapewatch.runtime.cluster.celery_app import DETECT_TASK, worker_settings
from tapewatch.runtime.cluster.judging import Judging, connect_state, warm
from tapewatch.runtime.cluster.payload import unpack
from tapewatch.runtime.cluster.protocol.judge import Judge
from tapewatch.runtime.cluster.protocol.ports import Task
from tapewatch.runtime.tracing import traced, traceparent

_log = logging.getLogger(__name__)
GRACE_S = 8.0
"""How long after SIGTERM the processes of a worker may take: longer than any batch, shorter than supervisors wait."""


@lru_cache(maxsize=1)
def _judging() -> tuple[Judging, Judge]:
    settings = worker_settings()
    judging = Judging(settings, connect_state(settings.state), None, time.time_ns)
    return judging, judging.judge()


@worker_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _warm_once(**_: object) -> None:
    """In the parent: the processes that it forks, at the start and for one that died, have the kernels from there."""
    warm(worker_settings())


@worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _warm(**_: object) -> None:
    """Before the process takes its first task: no task shall wait for a compiler."""
    _judging()
    gc.freeze()  # what is there by now stays: no collection has to walk through the compiler again


@worker_shutting_down.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _end_in_time(**_: object) -> None:
    """Celery hands a large task to a process in parts. Told to stop between two of them, it waits for the process, and
    the process for the rest."""
    threading.Thread(target=end_children, args=(GRACE_S,), daemon=True).start()


def end_children(grace_s: float) -> None:
    """Kill what processes this one has after so long. A batch that one of them had is dispatched again."""
    time.sleep(grace_s)
    for child in active_children():
        _log.warning("process %d did not end within %g s, and is killed", child.pid, grace_s)
        with suppress(ProcessLookupError):  # it has ended by now
            os.kill(child.pid, signal.SIGKILL)


@shared_task(name=DETECT_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def detect(**fields: object) -> None:
    """Judge one batch. Nobody waits for an answer: what was done stands in the state, and what was not is dispatched
    again by the bridge."""
    judging, judge = _judging()
    try:
        task = unpack(fields)
        with traced(traceparent(task.shard.name, task.raw.start)):
            _run(judging, judge, task)
    except InputError as error:
        _give_back(judging, error)


def _run(judging: Judging, judge: Judge, task: Task) -> None:
    try:
        judge.run(task)
    except TapewatchError as error:
        _give_back(judging, error)
    if task.fingerprint != judging.fingerprint:
        _tell_of_other_rules(task.fingerprint, judging.fingerprint)


@lru_cache(maxsize=100)
def _tell_of_other_rules(theirs: str, ours: str) -> None:
    """Once each: nothing moves until somebody sets it right, and the refusals are counted."""
    _log.error(
        "batches are refused: the bridge has the rules %s, this worker has %s; give both the same settings of [rules] "
        "(preset, file, calibration, instruments) and restart them",
        theirs,
        ours,
    )


def _give_back(judging: Judging, error: TapewatchError) -> None:
    judging.figures.given_back()
    level = logging.WARNING if isinstance(error, RetryableError) else logging.ERROR
    _log.log(level, "a batch was given back: %s", error)
