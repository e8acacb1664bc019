"""Opaque cursors: where a list goes on, for the filters that it was asked with and no others.

A cursor is only a position, so it is validated, not signed: whoever makes one up reads what a list of theirs would
show anyway.
"""

import base64
import binascii
import hashlib

import msgspec

from tapewatch.model.errors import InputError

Position = tuple[int, str]
_INT64 = 1 << 63


def filters_digest(*filters: object) -> str:
    """Eight hex digits that tell one set of filters from another."""
    return hashlib.blake2b(repr(filters).encode(), digest_size=4).hexdigest()


def encode_cursor(position: Position, digest: str) -> str:
    """The cursor that goes on after `position` (a number, and an id or an empty string)."""
    raw = msgspec.json.encode((position[0], position[1], digest))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_cursor(cursor: str, digest: str) -> Position:
    """The position of a cursor that was made for the same filters.

    >>> decode_cursor(encode_cursor((5, "ab"), "d1"), "d1")
    (5, 'ab')
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        number, item_id, made_for = msgspec.json.decode(raw, type=tuple[int, str, str])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise InputError("cursor: not one that this server gave out") from None
    if not -_INT64 <= number < _INT64 or len(item_id) > 200:
        raise InputError("cursor: not one that this server gave out")
    if made_for != digest:
        raise InputError("cursor: it belongs to a list with other filters; follow `next` as it is, or start anew")
    return number, item_id
