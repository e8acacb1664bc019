"""Trace ids that follow a record from the tape into every log: W3C trace context, made from where the record stands.

An id is a hash of the shard and a position, not a random number: whoever handles the record, again or elsewhere, finds
the same id, so that nothing has to be handed along inside of the protocol and a repeat is seen as one.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_trace: ContextVar[str] = ContextVar("trace", default="")
_ID = slice(3, 35)
_path = logging.getLogger("tapewatch.trace")
"""One line for each place that an alert or a group comes through, at the level `debug`: for those who follow one."""


def traceparent(shard: str, position: int) -> str:
    """The header of a record at this offset of a shard, or of the batch that begins there.

    >>> traceparent("financial_prices/x/0", 7)
    '00-83729e9da66acfd79d51cb83acfbe571-95a3b6303c77642a-01'
    """
    digest = hashlib.blake2b(f"{shard}\0{position}".encode(), digest_size=24).hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-01"


@contextmanager
def traced(parent: str) -> Iterator[None]:
    """What is logged in the block, by this thread, carries the trace id of this header."""
    token = _trace.set(parent)
    try:
        yield
    finally:
        _trace.reset(token)


def following() -> bool:
    """Whether the lines of `follow` are written: ask it once for many, they are made for nothing else."""
    return _path.isEnabledFor(logging.DEBUG)


def follow(parent: str, what: str, **fields: object) -> None:
    """Log that the record of this header has come through here."""
    with traced(parent):
        _path.debug(what, extra=fields)


def current_trace_id() -> str:
    """The trace id of the innermost `traced` block of this thread, 32 hex digits; empty outside of any."""
    return _trace.get()[_ID]
