"""Ports on the loopback interface."""

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port that nobody listens on now.

    Taken from below the range that the kernel gives to outgoing connections: a client that dials a port of that range
    again and again while its server is down may be given that very port, be connected to itself, and keep the server
    from ever coming back to it.
    """
    lowest = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else 32768
    choose = random.SystemRandom()
    for _ in range(200):
        port = choose.randrange(min(15000, lowest - 1000), lowest)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on {HOST} below {lowest}")


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
