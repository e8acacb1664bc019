"""The process of `tapewatch consume`."""

from threading import Event

from prometheus_client import CollectorRegistry

from tapewatch.runtime.cluster.bridge import Bridge
from tapewatch.runtime.cluster.bridge_figures import BridgeFigures
from tapewatch.runtime.cluster.ops import OpsServer, run_parts
from tapewatch.runtime.config.settings import Settings


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
