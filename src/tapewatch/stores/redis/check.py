"""Looks at start-up whether the servers can keep what is promised of them, before anything is entrusted to them."""

from typing import Any

from tapewatch.model.errors import GiveUpError
from tapewatch.stores.redis.client import Client, answering, primaries

AT_LEAST = (7, 0)  # scripts that state flags


def check_servers(state: Client, queue: Client | None = None) -> None:
    """Raise GiveUpError with everything that is wrong, and how to set it right; RetryableError where one is not there.

    The server for state must be Redis 7 or newer, must not evict (`noeviction`: a row that disappears is an alert that
    is lost) and must keep an append-only file. The queue must be another server: a full queue must not stop state, and
    the loss of one must not be the loss of both. Told apart by `run_id`, not by address.
    """
    problems: list[str] = []
    state_ids = set()
    for info in _infos(state):
        problems += _problems(info)
        state_ids.add(info["run_id"])
    if queue is not None and state_ids & {info["run_id"] for info in _infos(queue)}:
        problems.append("the queue and the state are on the same server: give each a Redis of its own")
    if problems:
        raise GiveUpError("Redis cannot be used as it is: " + "; ".join(dict.fromkeys(problems)))


def server_id(client: Client) -> str:
    """Changes whenever a server that holds state has started anew, and may have lost what was last written to it."""
    return ",".join(sorted(info["run_id"] for info in _infos(client)))


def _infos(client: Client) -> list[dict[str, Any]]:
    with answering():
        return [_info(server) for server in primaries(client)]


def _info(server: Any) -> dict[str, Any]:  # the client's types leave open whether it is asynchronous
    return {
        **server.info("server"),
        **server.info("memory"),
        **server.info("persistence"),
        **server.info("replication"),
    }


def _problems(info: dict[str, Any]) -> list[str]:
    # From INFO alone: hosted servers often forbid CONFIG.
    problems = []
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < AT_LEAST:
        problems.append(f"the server for state is Redis {version}, {'.'.join(map(str, AT_LEAST))} or newer is needed")
    if info["maxmemory_policy"] != "noeviction":
        problems.append(f"maxmemory-policy of the server for state is {info['maxmemory_policy']}: set it to noeviction")
    if not info["aof_enabled"]:
        problems.append("the server for state keeps no append-only file: set appendonly yes")
    if info["role"] != "master":
        problems.append("the server for state is a replica: name the primary")
    return problems
