"""Redis: from the system, as Debian's `redis-server` delivers it."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from tapewatch.runtime.cluster.servers.errors import ServerMissingError
from tapewatch.runtime.cluster.servers.ports import HOST, free_port
from tapewatch.runtime.cluster.servers.process import Launch, Running
from tapewatch.runtime.cluster.servers.versions import REDIS_AT_LEAST

_SETTINGS = {
    "bind": HOST,
    "save": "",
    "maxmemory-policy": "noeviction",
    "appendfsync": "everysec",
    "daemonize": "no",
}


def start(
    folder: Path, port: int = 0, *, durable: bool = True, settings: Mapping[str, str] | None = None, name: str = "redis"
) -> Running:
    """Start a server with its files in `folder`; `address` is a URL. `durable`: with an append-only file.

    `port` 0 is a free one; `settings` go over ours. Raises ServerMissingError, ServerFailedError.
    """
    program = _program()
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    options = _SETTINGS | {"port": str(port), "dir": str(folder), "appendonly": "yes" if durable else "no"}
    command = [program]
    for key, value in (options | dict(settings or {})).items():
        command += [f"--{key}", value]
    launch = Launch(name, command, folder, lambda: _answers(port), timeout_s=60)
    return Running(f"redis://{HOST}:{port}/0", port, launch)


def _program() -> str:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    at_least = ".".join(map(str, REDIS_AT_LEAST))
    if program is None:
        raise ServerMissingError(
            f"no redis-server on PATH: install Redis {at_least} or newer "
            "(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)"
        )
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.search(r"v=(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < REDIS_AT_LEAST:
        raise ServerMissingError(
            f"{program} is {found[0][2:] if found else said!r}, Redis {at_least} or newer is needed"
        )
    return program


def _answers(port: int) -> bool:
    """Whether it serves: it accepts connections earlier, while it still reads its file."""
    client = Redis(HOST, port, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except AuthenticationError:  # it has a password, which is not for us to know
        return True
    except RedisError:
        return False
    finally:
        client.close()
