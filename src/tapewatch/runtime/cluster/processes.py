"""The processes of `tapewatch consume` and `tapewatch merge`."""

import gc
import sys
import time
from threading import Event

from prometheus_client import CollectorRegistry

from tapewatch.runtime.cluster.bridge import Bridge
from tapewatch.runtime.cluster.bridge_figures import BridgeFigures
from tapewatch.runtime.cluster.judging import Judging
from tapewatch.runtime.cluster.merger import CLIENT_ID, make_merger
from tapewatch.runtime.cluster.ops import OpsServer, run_parts
from tapewatch.runtime.cluster.sources import tell_of_unread
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.stores.redis import Client
from tapewatch.tape.kafka_entrance import enter

_SWITCH_S = 0.0005
"""How long a thread of a bridge may keep the others from running. They take turns within a batch that lasts one
millisecond: Python's own five would be most of an alert's latency."""


def run_bridge(settings: Settings, stop: Event | None = None) -> None:
    """Run a bridge until SIGTERM or SIGINT: then what is in flight is finished and published, and the group is left.

    Raises what a person has to look at: GiveUpError, InputError.
    """
    enter(kafka_settings(settings.kafka, "tapewatch-bridge"))
    registry = CollectorRegistry()

    def judging(client: Client) -> Judging:
        return Judging(settings, client, registry, time.time_ns)

    run_shards(settings, Bridge(settings, judging, settings.kafka.topics), registry, stop)


def run_merger(settings: Settings, stop: Event | None = None) -> None:
    """Merge the minutes of all shards until SIGTERM or SIGINT. Any number may run: one of them has the partition.

    Raises as `run_bridge`.
    """
    enter(kafka_settings(settings.kafka, CLIENT_ID))
    tell_of_unread(settings)
    registry = CollectorRegistry()
    bridge = make_merger(settings, registry)
    run_shards(settings, bridge, registry, stop)


def run_shards(settings: Settings, bridge: Bridge, registry: CollectorRegistry, stop: Event | None) -> None:
    """Run the parts of a bridge, with its figures and its readiness."""
    registry.register(BridgeFigures(bridge))
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what is there by now stays: no collection has to walk through the compiler again
    with OpsServer(settings.ops, registry, bridge.checks):
        run_parts(bridge.parts(), stop)
    bridge.close()
