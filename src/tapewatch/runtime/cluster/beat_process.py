"""The process of `tapewatch beat`."""

from celery.signals import after_task_publish
from prometheus_client import CollectorRegistry, Counter

from tapewatch.runtime.cluster.celery_app import make_app
from tapewatch.runtime.cluster.checks import redis_answers
from tapewatch.runtime.cluster.ops import OpsServer
from tapewatch.runtime.config.settings import Settings
from tapewatch.stores.redis import connect


def run_beat(settings: Settings) -> None:
    """Run Celery Beat until SIGTERM or SIGINT; InputError where the queue does not let it in, RetryableError where the
    queue does not answer at the start. `tapewatch_beat_tasks_sent` tells which of several works: it rises."""
    registry = CollectorRegistry()
    sent = Counter("tapewatch_beat_tasks_sent", "Tasks put into the queue by the clock.", ["task"], registry=registry)

    def count(sender: str = "", **_: object) -> None:
        sent.labels(sender).inc()

    checks = {"queue": redis_answers(connect(settings.queue.address))}
    checks["queue"]()
    after_task_publish.connect(count, weak=False)
    with OpsServer(settings.ops, registry, checks):
        make_app(settings).Beat(loglevel=settings.logging.level.upper(), quiet=True).run()
