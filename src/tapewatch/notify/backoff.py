"""When to try again."""

import hashlib
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from tapewatch.model.times import SECOND_NS

Jitter = Callable[[str, int], float]  # (message id, attempt) -> [0, 1)


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a notice is tried, and how long between."""

    attempts: Annotated[int, Meta(ge=1, le=1_000)] = 20
    """Attempts before a notice is given up; with the other defaults that is about two and a half hours."""

    first_s: Annotated[float, Meta(gt=0, le=3_600)] = 2.0
    """Seconds before the second attempt; doubled with every attempt after it."""

    most_s: Annotated[float, Meta(gt=0, le=86_400)] = 900.0
    """Most seconds between two attempts; a server that asks for longer gets up to an hour."""

    def __post_init__(self) -> None:
        if self.first_s > self.most_s:
            raise ValueError("first_s is above most_s")


def delay_ns(settings: RetrySettings, attempt: int, jitter: float, asked_s: float | None) -> int:
    """Nanoseconds to wait after failed attempt number `attempt` (from 1): exponential, the last quarter of it drawn by
    `jitter` (0 to 1) so that what failed together is not tried together; never less than what the server asked for.

    >>> delay_ns(RetrySettings(), 3, 1.0, None) / 1e9, delay_ns(RetrySettings(), 3, 0.0, None) / 1e9
    (8.0, 6.0)
    """
    wait_s = min(settings.first_s * 2.0 ** min(attempt - 1, 60), settings.most_s)
    return round(max(wait_s * (0.75 + 0.25 * jitter), asked_s or 0.0) * SECOND_NS)


def hash_jitter(message_id: str, attempt: int) -> float:
    """A jitter that is the same in every run: drawn from the message's id."""
    digest = hashlib.blake2b(f"{message_id}/{attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
