"""API keys: made at random, kept only as hashes, compared in constant time."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence

import msgspec

from tapewatch.model.errors import InputError

_PREFIX = "tw_"
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """Who may call, and the hash of what they present."""

    name: str
    """Stands in the audit as the actor; 1 to 64 letters, digits, dots, underscores and dashes."""

    hash: str
    """What `tapewatch api-key new` printed (`new_key`, `hash_key`): `sha256:` and 64 hex digits."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", self.name):
            raise InputError(f"API key name {self.name!r}: 1 to 64 letters, digits, dots, underscores and dashes")
        if not _HASH.fullmatch(self.hash):
            raise InputError(f"API key {self.name!r}: its hash is not of the form sha256:<64 hex digits>")


def new_key() -> tuple[str, str]:
    """A new key and its hash. The key is shown to its owner once and never stored.

    >>> key, hashed = new_key()
    >>> hash_key(key) == hashed
    True
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    return key, hash_key(key)


def hash_key(key: str) -> str:
    """The form in which a key is stored. One round of SHA-256 is enough for 256 random bits: nothing can be guessed."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def find_key(presented: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """The key that was presented. Every stored hash is compared, each in constant time, found or not."""
    hashed = hash_key(presented)
    found: ApiKey | None = None
    for key in keys:
        if hmac.compare_digest(hashed, key.hash):
            found = key
    return found
