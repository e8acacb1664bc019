"""The process of `tapewatch worker`. Its imports are late: those of figures decide where figures are kept."""

import logging
import os
import sys
import tempfile
from collections.abc import Sequence

from tapewatch.model.errors import GiveUpError
from tapewatch.runtime.config.settings import Settings

_SHARED_FIGURES = "PROMETHEUS_MULTIPROC_DIR"
_FIGURES = "prometheus_client"


def run_worker(settings: Settings, queues: Sequence[str]) -> None:
    """Run a Celery worker until SIGTERM (tasks that have begun are finished) or SIGQUIT (at once)."""
    with tempfile.TemporaryDirectory(prefix="tapewatch-worker-") as folder:
        _share_figures(folder)
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        from tapewatch.runtime.cluster import celery_app
        from tapewatch.runtime.cluster.checks import elasticsearch_answers, redis_answers
        from tapewatch.runtime.cluster.ops import OpsServer

        celery_app.use_settings(settings)
        from tapewatch.runtime.cluster.judging import connect_state
        from tapewatch.stores.redis import check_servers, connect

        state, queue = connect_state(settings.state), connect(settings.queue.address)
        check_servers(state, queue)
        checks = {"queue": redis_answers(queue), "state": redis_answers(state)}
        if celery_app.OFFICE in queues:
            from tapewatch.runtime.cluster.elastic import elastic_client

            checks["elasticsearch"] = elasticsearch_answers(elastic_client(settings.elasticsearch))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # so in the library
        with OpsServer(settings.ops, registry, checks):
            logging.getLogger("celery.app.trace").setLevel(logging.WARNING)  # a line a batch tells nobody anything
            app = celery_app.make_app(settings, queues)
            app.worker_main(
                [
                    "worker",
                    f"--hostname=worker-{os.getpid()}@%h",  # two of one name would not be told apart
                    f"--queues={','.join(queues)}",
                    f"--concurrency={settings.worker.concurrency}",
                    f"--loglevel={settings.logging.level}",
                    "--without-gossip",
                    "--without-mingle",
                ]
            )


def _share_figures(folder: str) -> None:
    """Have the processes of this worker tell their figures to it by files. GiveUpError where it is too late for that:
    its figures would all stay 0."""
    if _FIGURES in sys.modules:
        raise GiveUpError(f"{_FIGURES} was imported before the worker could say where figures are shared")
    os.environ[_SHARED_FIGURES] = folder
