"""The sections of detection on the cluster: the two Redis servers, the bridge and the worker."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tapewatch.model.secret import Secret

Seconds = Annotated[float, Meta(gt=0, le=3_600)]


class Detect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of these sections: frozen, by keyword, and an unknown key is an error."""


class StateSection(Detect, frozen=True):
    """The Redis that holds the state of detection and its outbox. It needs an append-only file (`appendonly yes`) and
    `maxmemory-policy noeviction`; another one than the queue's."""

    url: Secret | None = None
    """Address, `redis://` or `rediss://`, with its password if it has one; else `redis://127.0.0.1:6379/0`."""

    cluster: bool = False
    """Whether the address is that of a node of a Redis Cluster."""

    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]+$")] = "tapewatch"
    """Stands before the name of every key."""

    timeout_s: Seconds = 5.0
    """Seconds to wait for an answer."""

    @property
    def address(self) -> Secret:
        """The address, or the default."""
        return self.url or Secret("redis://127.0.0.1:6379/0")


class QueueSection(Detect, frozen=True):
    """The Redis of Celery's queues. It holds nothing that cannot be sent again."""

    url: Secret | None = None
    """Address, `redis://` or `rediss://`, with its password if it has one; else `redis://127.0.0.1:6380/0`."""

    @property
    def address(self) -> Secret:
        """The address, or the default."""
        return self.url or Secret("redis://127.0.0.1:6380/0")


class BridgeSection(Detect, frozen=True):
    """The bridge: it reads the tape, has it judged, and publishes what was found. Its topics are `kafka.topics`."""

    executor: Literal["celery", "inline"] = "celery"
    """Who judges: `celery` workers, or `inline` the bridge itself: the lowest latency and the most ticks a core."""

    group: str = "tapewatch"
    """Consumer group; the bridges of one group share the partitions."""

    group_protocol: Literal["classic", "consumer"] = "classic"
    """`classic` with cooperative rebalancing, on any broker; `consumer` is KIP-848: the broker sets its time-outs."""

    session_s: Annotated[float, Meta(ge=1, le=600)] = 8.0
    """Seconds without a sign of life after which another bridge takes the partitions (`classic` only)."""

    venue: str | None = None
    """Venue of ticks that name none; else `binance` where the symbol has a `/`, else `XNAS`."""

    venues: dict[str, str] = {}
    """The same for single topics, e.g. `{ "tsla-data" = "XNAS" }`."""

    heartbeats: bool = False
    """Whether the bridge writes the heartbeats of its partitions: true where the feed is live, false where the feed
    writes them itself (every file, simulator and replay does). Never both."""

    batch_ticks: Annotated[int, Meta(ge=1, le=100_000)] = 100_000
    """Most messages in one batch."""

    snapshot_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    """Seconds between two snapshots of a partition's state."""

    source: str = "/tapewatch"
    """The CloudEvents source of what is published: names this installation."""


class WorkerSection(Detect, frozen=True):
    """The Celery workers."""

    concurrency: Annotated[int, Meta(ge=1, le=256)] = 1
    """Processes that judge, a worker; each uses one core."""
