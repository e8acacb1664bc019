"""The processes of `tapewatch consume` and `tapewatch worker`."""

import logging
import os
import tempfile
from collections.abc import Sequence
from threading import Event

from prometheus_client import CollectorRegistry

from tapewatch.runtime.cluster.bridge import Bridge
from tapewatch.runtime.cluster.bridge_figures import BridgeFigures
from tapewatch.runtime.cluster.ops import OpsServer, run_parts
from tapewatch.runtime.config.settings import Settings

_SHARED_FIGURES = "PROMETHEUS_MULTIPROC_DIR"


def run_bridge(settings: Settings, stop: Event | None = None) -> None:
    """Run a bridge until SIGTERM or SIGINT: then what is in flight is finished and published, and the group is left.

    Raises what a person has to look at: GiveUpError, InputError.
    """
    registry = CollectorRegistry()
    bridge = Bridge(settings, registry)
    registry.register(BridgeFigures(bridge))
    checks = {"group": bridge.check_group, "state": bridge.check_state}
    with OpsServer(settings.ops, registry, checks):
        run_parts(bridge.parts(), stop)
    bridge.close()


def run_worker(settings: Settings, queues: Sequence[str]) -> None:
    """Run a Celery worker until SIGTERM (tasks that have begun are finished) or SIGQUIT (at once)."""
    with tempfile.TemporaryDirectory(prefix="tapewatch-worker-") as folder:
        os.environ[_SHARED_FIGURES] = folder  # its processes tell their figures to this one by files
        from prometheus_client.multiprocess import MultiProcessCollector

        from tapewatch.runtime.cluster import celery_app

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
            app = celery_app.make_app(settings)
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
