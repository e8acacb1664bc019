"""Which hosts and addresses a webhook may reach: the guard against being used to knock on inner doors.

A name is checked when the settings are read and again with every notice, its addresses when the connection is made; the
connection then goes to the very address that was checked, so that a name which resolves differently a moment later
gains nothing.
"""

import socket
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from tapewatch.model.errors import GiveUpError, RetryableError

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
_MOST_ADDRESSES = 16


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which hosts webhooks may reach."""

    allowed_hosts: tuple[str, ...] = ("hooks.slack.com",)
    """Host names that webhooks may go to; `*.example.org` stands for every host below it."""

    allowed_networks: tuple[str, ...] = ()
    """Networks that are not public (private, loopback, link-local) and may be reached, e.g. `10.1.0.0/16`."""

    allow_http: bool = False
    """Whether a webhook may go unencrypted."""

    def __post_init__(self) -> None:
        for text in self.allowed_networks:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(f"allowed_networks: {error}") from None


def resolve(host: str, port: int) -> list[str]:
    """Addresses of a host by the system's resolver. Raises OSError, or UnicodeError for a name that cannot be one."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Targets:
    """Answers whether a host may be reached, and at which addresses."""

    def __init__(self, settings: TargetSettings, resolver: Resolve = resolve) -> None:
        self._hosts = tuple(pattern.lower().rstrip(".") for pattern in settings.allowed_hosts)
        self._networks = tuple(ip_network(text) for text in settings.allowed_networks)
        self._resolve = resolver
        self.allow_http = settings.allow_http

    def refusal(self, host: str) -> str | None:
        """Why this host may not be reached, or None. Asks the name only, no network."""
        name = host.lower().rstrip(".")
        if any(fnmatchcase(name, pattern) for pattern in self._hosts):
            return None
        return f"{host} is not among notify.targets.allowed_hosts"

    def addresses(self, host: str, port: int) -> list[str]:
        """Addresses of `host` in the resolver's order, every one of them checked.

        GiveUpError where the name, or any of its addresses, may not be reached; RetryableError where the name does not
        resolve.
        """
        refused = self.refusal(host)
        if refused:
            raise GiveUpError(refused)
        try:
            found = list(dict.fromkeys(self._resolve(host, port)))[:_MOST_ADDRESSES]
        except (OSError, UnicodeError):
            raise RetryableError(f"{host} does not resolve") from None
        if not found:
            raise RetryableError(f"{host} does not resolve")
        for text in found:
            if not self._may_reach(text):
                raise GiveUpError(
                    f"{host} is at {text}, which is neither public nor in notify.targets.allowed_networks"
                )
        return found

    def _may_reach(self, text: str) -> bool:
        try:
            address = unwrap(ip_address(text))
        except ValueError:
            return False
        if address.is_multicast or address.is_unspecified:
            return False
        if any(address in network for network in self._networks):
            return True
        old_private = isinstance(address, IPv6Address) and (address.is_site_local or address.packed[:12] == bytes(12))
        return address.is_global and not old_private


def unwrap(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to (mapped, 6to4, Teredo, NAT64), else the address itself.

    >>> unwrap(ip_address("::ffff:127.0.0.1"))
    IPv4Address('127.0.0.1')
    """
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
