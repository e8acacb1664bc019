"""The Celery app: what `celery -A tapewatch.tasks worker` finds.

A broker that loses a task, or gives it twice, is one that the protocol was made for: what was promised hangs on the log
and on one compare-and-set, so nothing here is durable, retried or answered. Two queues, each with workers of its own:
`detect` for batches, `office` for reports and mail, so that a report never stands before a batch.
"""

from collections.abc import Collection
from functools import lru_cache

from celery import Celery
from kombu import Exchange, Queue  # type: ignore[attr-defined]  # kombu states no exports

from tapewatch.runtime.cluster.sinks.report_queue import SUBMIT_DUE, WORK_OFF
from tapewatch.runtime.config import load_settings
from tapewatch.runtime.config.settings import Settings


def _every(seconds: float, task: str) -> dict[str, object]:
    return {"task": task, "schedule": seconds, "options": {"queue": OFFICE, "expires": 4 * seconds}}


DETECT, OFFICE = "detect", "office"
DETECT_TASK = "tapewatch.detect"
TASK_MODULES = {DETECT: "tapewatch.runtime.cluster.task", OFFICE: "tapewatch.runtime.cluster.sinks.report_tasks"}
"""Modules that define tasks, each by `@shared_task(name=..., queue=...)`, by queue: a module more is a line here."""

SCHEDULE = {
    "reports that are due": _every(15.0, SUBMIT_DUE),
    "reports that wait": _every(15.0, WORK_OFF),
}
"""What Beat sends. It has no memory worth keeping: what is due follows from the clock and from what is in the store."""

_given: list[Settings] = []


def use_settings(settings: Settings) -> None:
    """Settings for the tasks of this process and of those that it forks: where `tapewatch worker` has flags."""
    _given[:] = [settings]
    worker_settings.cache_clear()


@lru_cache(maxsize=1)
def worker_settings() -> Settings:
    """The settings of this process: those given, else from its file and environment, which is all that
    `celery -A tapewatch.tasks` has."""
    return _given[0] if _given else load_settings().settings


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name)  # type: ignore[no-untyped-call]  # kombu has no types


def make_app(settings: Settings, queues: Collection[str] = tuple(TASK_MODULES)) -> Celery:
    """The app on the queue's Redis, with the tasks of these queues: to import those of the other one takes a third of
    a worker's start. Connects at the first use."""
    modules = [module for queue, module in TASK_MODULES.items() if queue in queues]
    app = Celery("tapewatch", broker=settings.queue.address.reveal(), include=modules)
    app.conf.update(
        task_default_queue=OFFICE,
        task_queues=[_queue(DETECT), _queue(OFFICE)],  # a worker without -Q takes both
        task_routes={DETECT_TASK: {"queue": DETECT}},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        task_acks_late=False,
        task_publish_retry=False,  # the bridge dispatches again from the state, not from what it remembers
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.worker.concurrency,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        task_send_sent_event=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": 3600,
            "socket_timeout": 5.0,
            "socket_connect_timeout": 5.0,
            "socket_keepalive": True,
            "body_encoding": None,  # a batch is base64 already; kombu's own would make it a third longer
        },
        timezone="UTC",
        beat_scheduler="redbeat.RedBeatScheduler",  # its lock lets one of several beats work
        redbeat_redis_url=settings.queue.address.reveal(),
        redbeat_key_prefix="tapewatch:beat:",
        redbeat_lock_timeout=60,
        beat_max_loop_interval=5,
        beat_schedule=SCHEDULE,
    )
    return app
