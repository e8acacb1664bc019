"""What one process holds while it runs, so that a second one is told instead of doing its work twice."""

import errno
import os
import socket
import sys
from pathlib import Path
from typing import IO

from tapewatch.model.errors import InputError, RetryableError

LOCK = "writer.lock"
_BACKLOG = 2048


class DirectoryLock:
    """Held by the one process that writes to a data directory; the operating system lets go of it when it dies.

    Two would deliver each notice twice and take each other's reports. RetryableError where another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        self._file: IO[bytes] = (directory / LOCK).open("ab")
        if not _lock(self._file):
            self._file.close()
            raise RetryableError(f"{directory} is in use by another tapewatch: stop it, or name another --data-dir")

    def release(self) -> None:
        """Let another process have the directory."""
        self._file.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything else starts; port 0 lets the system choose.

    RetryableError where the port is taken, InputError where the address is none of this machine's.
    """
    try:
        families = {found[0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except socket.gaierror:
        raise InputError(f"cannot listen on {host}: there is no such address") from None
    except OSError as error:
        kind = RetryableError if error.errno == errno.EADDRINUSE else InputError
        raise kind(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from None


def _lock(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return True  # two writers are not detected there
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
