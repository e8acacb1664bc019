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
        from tapewatch.runtime.cluster.ops import OpsServer

        celery_app.use_settings(settings)
        from tapewatch.runtime.cluster.judging import connect_state
        from tapewatch.stores.redis import check_servers, connect, server_id

        client = connect_state(settings.state)
        check_servers(client, connect(settings.queue.address))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # so in the library

        def check() -> str | None:
            server_id(client)
            return None

        with OpsServer(settings.ops, registry, {"state": check}):
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
                    "--without-heartbeat",
                ]
            )


def _share_figures(folder: str) -> None:
    """Have the processes of this worker tell their figures to it by files. GiveUpError where it is too late for that:
    its figures would all stay 0."""
    if _FIGURES in sys.modules:
        raise GiveUpError(f"{_FIGURES} was imported before the worker could say where figures are shared")
    os.environ[_SHARED_FIGURES] = folder
