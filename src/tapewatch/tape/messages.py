"""The JSON of one message of the tape, in all its spellings, as a typed record."""

import math
from typing import Annotated, Any

import msgspec

Number = float | None
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
MISSING = math.inf
"""Stands for a number that a message does not have; JSON itself cannot write it."""


class DeadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a feed that could not be read, carried on the tape so that it is counted where the tape is read."""

    source: str
    position: int
    reason: str
    raw: str


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A tick, a heartbeat or a dead row; fields that are not named here are let pass."""

    symbol: str | None = None
    venue: str | None = None
    timestamp: str | int | float | None = None
    open: Number = MISSING
    high: Number = MISSING
    low: Number = MISSING
    close: Number = MISSING
    volume: Number = MISSING  # null: the feed does not tell it
    interval_ns: int | None = None
    price: Number = MISSING
    size: Number = MISSING
    side: str | int | None = None
    trade_id: str | int | None = None
    trade_id_hash: Int64 | None = None  # where the id itself is gone
    heartbeat: str | int | float | None = None
    source: str | None = None
    dead: DeadRecord | None = None


_TYPED = msgspec.json.Decoder(Record | tuple[Record, Any], strict=False)
_UNTYPED = msgspec.json.Decoder()


def decode_message(message: bytes) -> Record:
    """Read one message; the prototype's `[record, difference]` is its record. Raises msgspec.MsgspecError, whose text
    says what is wrong."""
    found: Record | tuple[Record, Any]
    try:
        found = _TYPED.decode(message)
    except msgspec.ValidationError:
        found = msgspec.convert(_stripped(_UNTYPED.decode(message)), Record, strict=False)
    return found[0] if isinstance(found, tuple) else found


def _stripped(value: object) -> object:
    """Without the padding that the prototype's keys and cells had, and without the list around the record."""
    if isinstance(value, list) and len(value) == 2:
        value = value[0]
    if not isinstance(value, dict):
        raise msgspec.ValidationError("neither an object nor [object, difference]")
    return {k.strip(): v.strip() if isinstance(v, str) else v for k, v in value.items()}
