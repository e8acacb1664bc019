"""Market against one: what a market did in a minute, and groups of alerts with one cause. Frozen messages.

Returns and standardised returns are int64 in units of 1e-6, so that sums over symbols come to the same bits in any
order, and so for any dealing of symbols to shards.
"""

from typing import Literal

import msgspec

from tapewatch.model.signals import Direction

UNIT = 1_000_000
"""Of what is kept in fixed point."""

NO_MARKET = "no market reference"
ENOUGH_ACTIVE = 4
"""With fewer active symbols a market says nothing: a move is then neither alone nor with others."""


class Past(msgspec.Struct, frozen=True, array_like=True):
    """A symbol that was past its own threshold within the last two minutes, in one direction."""

    venue: str
    symbol: str
    up: bool
    since_ns: int  # onset of its oldest open alert in that direction
    z: int  # standardised return over five minutes, 1e-6; 0 where it has no scale
    move: int  # return over five minutes, 1e-6


class MarketMinute(msgspec.Struct, frozen=True, array_like=True):
    """One market at the end of one minute. `active` symbols had a tick in the last five minutes; rising and falling,
    sums and moves are over these five minutes; `up` and `down` count `past` by direction."""

    market: str
    end_ns: int
    active: int
    rising: int
    falling: int
    up: int
    down: int
    judged: int  # active symbols with a scale: over how many the next two sums go
    sum_z: int
    sum_zz: int  # 1e-6 as well: of z squared
    sum_move: int  # over all active symbols
    past: list[Past] = []


class ShardMinutes(msgspec.Struct, frozen=True):
    """What one shard has to say of minutes up to `through_ns`, which it has passed. Minutes of which nothing is said
    had no active symbol, or (where the shard is the only one) none past its threshold."""

    source: str
    through_ns: int
    minutes: list[MarketMinute]


class Member(msgspec.Struct, frozen=True):
    """One symbol of a group."""

    venue: str
    symbol: str
    direction: Direction
    joined_ns: int  # end of the minute in which it was seen to be past its threshold
    move_pct: float  # over the five minutes before


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of a market-wide move: alerts with one cause, joined when they are read, never edited.

    An incident belongs to it whose venue and symbol are of the market and whose onset lies in [from_ns, until_ns].
    """

    group_id: str
    revision: int
    market: str
    state: Literal["open", "closed"]
    direction: Direction
    from_ns: int
    opened_ns: int  # end of the minute in which it was recognised
    last_ns: int  # end of the last minute with a symbol past its threshold
    until_ns: int  # how long others may join
    active: int  # symbols at the opening, and of them in the group's direction past their thresholds
    past: int
    move_pct: float  # the farthest that the market's mean return over five minutes went
    members: list[Member]
    message: str


class MarketView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the market moved with a symbol: the others of its market over the five minutes that its alert ended."""

    market: str
    others: int
    rising: int
    falling: int
    market_pct: float  # mean return of the others
    own_pct: float
    residual_pct: float  # own less the others'
    residual_z: float | None  # in standard deviations of the others' standardised returns: calm markets make it large
    words: str


class MarketFindings(msgspec.Struct, frozen=True):
    """What a merger of breadth records found, and a store of groups keeps: revisions of groups, and the minutes in
    which a symbol was past its threshold; both in the order of time.

    `through_ns`: all minutes up to this one are over now; 0 where none has come to its end. `active`: symbols with a
    tick in its last five minutes, by market, as far as shards tell of minutes in which none was past its threshold.
    """

    groups: list[Group] = []
    minutes: list[MarketMinute] = []
    through_ns: int = 0
    active: dict[str, int] = {}
