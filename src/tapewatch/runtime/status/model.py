"""One look at an installation: what its servers and stores say at that moment."""

from typing import Literal

import msgspec


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of the tape. `next` is the first position that is not committed, `end` the tape's end; what is not
    known is None: nobody has claimed the shard yet, or the server that knows does not answer."""

    name: str
    owner: str | None = None
    end: int | None = None
    next: int | None = None
    epoch: int | None = None
    outbox: int | None = None
    fates: dict[str, int] = {}

    @property
    def lag(self) -> int | None:
        """Records that wait to be judged."""
        return None if self.end is None or self.next is None else max(self.end - self.next, 0)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer group: of the bridges, or of one kind of sink. `lag` is None where nothing was ever committed."""

    name: str
    state: str
    members: tuple[str, ...] = ()
    lag: int | None = None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A Celery worker that answered. `queues`: `detect` are batches of the tape, `office` reports and mail."""

    name: str
    queues: tuple[str, ...] = ()
    processes: int
    done: int  # tasks since it started


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server or store; `trouble` says why it cannot be asked, empty where it can."""

    name: str
    address: str
    trouble: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `queued` are batches that no worker has taken, `alerts` those that are stored."""

    mode: Literal["embedded", "cluster"]
    servers: tuple[Server, ...]
    shards: tuple[Shard, ...] = ()
    groups: tuple[Group, ...] = ()
    workers: tuple[Worker, ...] = ()
    queued: int | None = None
    alerts: int | None = None

    @property
    def healthy(self) -> bool:
        """Whether everything could be asked."""
        return not any(server.trouble for server in self.servers)
