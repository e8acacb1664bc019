"""The terms on which a shard is driven: its ports, its waits and limits, and what it can be at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from tapewatch.runtime.cluster.protocol.ports import (
    Attempts,
    Executor,
    Log,
    Offsets,
    Rules,
    ShardId,
    Snapshots,
)
from tapewatch.runtime.cluster.protocol.relay import Relay
from tapewatch.stores.port import OutboxEntry, ShardStore


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the driver waits, in seconds."""

    poll_s: float = 0.25  # between two looks at `next` while a batch is in flight
    redispatch_s: float = 3.0  # until a batch is dispatched again; doubled each time
    redispatch_most_s: float = 12.0
    look_s: float = 1.0  # between two looks whether the server of the state is the same
    commit_s: float = 5.0  # between two commits of the offset, for which the shard stands: only a lost state reads it
    snapshot_s: float = 60.0
    retry_s: float = 0.5  # after something did not answer
    lost_s: float = 5.0  # how long a shard that another one claimed is left alone, while the group says it is ours


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest batch."""

    messages: int = 100_000
    bytes: int = 8 << 20


@dataclass(frozen=True, slots=True)
class Ports:
    """The world of one shard. `server_id` changes when the server of the state has started anew, or when `rules` has
    changed (the shard is then claimed again, and brought to them); `incarnation` makes a
    new name; `gap` makes what is published of offsets that the log no longer has."""

    log: Log
    offsets: Offsets
    store: ShardStore
    executor: Executor
    attempts: Attempts
    snapshots: Snapshots
    rules: Rules
    relay: Relay
    server_id: Callable[[], str]
    incarnation: Callable[[], str]
    gap: Callable[[ShardId, int, int], Sequence[OutboxEntry]]


class Phase(Enum):
    """What a shard is at."""

    CLAIM = "claim"  # take a new epoch
    FENCE = "fence"  # make it known where a loss of the state does not reach
    RESTORE = "restore"  # state from a snapshot, where the state was lost
    RULES = "rules"  # bring the state to the rules of this process
    REBUILD = "rebuild"  # give up a state whose layout is unknown
    RUN = "run"
    LOST = "lost"  # another one has claimed it, or its state was lost


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when nothing has to be done, unless a message comes: `step` again by then, at once where it is not later
    than now. `records_from`: earlier if the log has a record there, None where that would change nothing."""

    until_s: float
    records_from: int | None = None
