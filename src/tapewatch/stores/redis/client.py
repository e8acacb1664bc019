"""Connections to Redis and Redis Cluster, and the names of their errors by what the caller must do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from redis import Redis, RedisCluster
from redis import exceptions as errors
from redis.backoff import NoBackoff
from redis.retry import Retry

from tapewatch.model.errors import DeniedError, GiveUpError, InputError, RetryableError
from tapewatch.model.secret import Secret

Client: TypeAlias = Redis | RedisCluster

_DENIED = (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError)
_LATER = (
    errors.ConnectionError,
    errors.TimeoutError,
    errors.ClusterError,
    errors.RedisClusterException,
    errors.TryAgainError,
    errors.ReadOnlyError,  # a replica: the primary has changed
    errors.OutOfMemoryError,  # nothing was written; the outbox may drain
)
_LATER_TEXTS = ("BUSY ", "MISCONF ", "NOREPLICAS ", "LOADING ")
"""Refusals without a class of their own: a long script, a full disk, too few replicas, still starting."""


def connect(url: Secret, *, cluster: bool = False, timeout_s: float = 5.0) -> Client:
    """A client of the server (or, with `cluster`, of the Redis Cluster that the server belongs to) behind a `redis://`
    or `rediss://` URL. May be used by several threads; connects at the first call (a cluster: now).

    Nothing is tried twice behind the caller's back: a commit whose answer was lost must be seen as such. Raises
    InputError for a URL that is none, without showing it: it may hold a password.
    """
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    once = Retry(NoBackoff(), 0)
    try:
        if cluster:
            with answering():
                return RedisCluster.from_url(url.reveal(), retry=once, **timeouts)
        return Redis.from_url(url.reveal(), retry=once, **timeouts)
    except ValueError:
        raise InputError("the address of Redis is not a redis:// or rediss:// URL") from None


@contextmanager
def answering() -> Iterator[None]:
    """Turn Redis's errors into RetryableError (no answer, or not now), DeniedError (not allowed) or GiveUpError."""
    try:
        yield
    except _DENIED as error:
        raise DeniedError(f"Redis does not let us in or lacks a permission for us: {error}") from error
    except _LATER as error:
        raise RetryableError(f"Redis did not answer or cannot now: {error}") from error
    except errors.InvalidResponse as error:
        raise DeniedError("what answers at the address of Redis is not Redis") from error
    except errors.ResponseError as error:
        if str(error).startswith(_LATER_TEXTS):
            raise RetryableError(f"Redis cannot now: {error}") from error
        raise GiveUpError(f"Redis refused a command, which no repetition will change: {error}") from error


def primaries(client: Client) -> list[Redis]:
    """A client of each server that takes writes: the server itself, or the primaries of the cluster."""
    if isinstance(client, Redis):
        return [client]
    nodes = client.get_primaries()  # type: ignore[no-untyped-call]  # so in the library
    return [client.get_redis_connection(node) for node in nodes]
