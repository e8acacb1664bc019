"""The phases of a venue's day."""

from enum import IntEnum


class Phase(IntEnum):
    """What a venue is doing. Auctions count to the phase that they stand beside: opening to PRE, closing to POST."""

    CLOSED = 0
    PRE = 1
    REGULAR = 2
    POST = 3
    CONTINUOUS = 4  # a venue that never closes, or one whose hours nobody knows
