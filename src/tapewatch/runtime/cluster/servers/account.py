"""Who a server runs as where it refuses to run as root, and folders that this user can reach."""

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from tapewatch.runtime.cluster.servers.errors import ServerMissingError

SHARED_ROOT = Path("/var/cache/tapewatch")
"""Where root keeps what an unprivileged server must reach: root's own folders are closed to others."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group of this system."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """None where we are not root; else the user `nobody`. Raises ServerMissingError where there is none."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ServerMissingError("running as root, and there is no user 'nobody' to run the server as") from None
    return Account(entry.pw_uid, entry.pw_gid)


def reachable(folder: Path) -> Path:
    """`folder`, or where other users cannot enter it, one of the same meaning that they can (always the same one)."""
    folder = folder.absolute()
    if all(_open_to_others(parent) for parent in folder.parents):
        return folder
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return SHARED_ROOT / f"{folder.name}-{digest}"


def own(folder: Path, account: Account) -> None:
    """Give the folder and all that is in it to the account."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _open_to_others(folder: Path) -> bool:
    return not folder.exists() or bool(folder.stat().st_mode & stat.S_IXOTH)
