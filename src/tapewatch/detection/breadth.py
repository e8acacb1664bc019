"""Breadth: what each market of a shard did in a minute, in one pass over its symbols at the heartbeat that crosses it.

Nothing is counted at ticks: a symbol's own state has its recent closes, its scale and its episodes. All sums are int64,
so that shards can be merged in any order to the same bits.
"""

import math

import numpy as np

from tapewatch.alerts.codes import CLOSED
from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.detection.features import close_before
from tapewatch.detection.stats.scale import GROUP, sigma_of
from tapewatch.model.market import UNIT
from tapewatch.model.times import MINUTE_NS

WINDOW_NS = 5 * MINUTE_NS
"""Over which a symbol counts as active, and its return is taken."""

PAST_NS = 2 * MINUTE_NS
"""How long ago a symbol may have been past its threshold to count."""

MOST_Z = 50.0
MOST_MOVE = 10.0

BREADTH = np.dtype(
    [
        (name, "i8")
        for name in (
            "end_ns",
            "market",
            "active",
            "rising",
            "falling",
            "up",
            "down",
            "judged",
            "sum_z",
            "sum_zz",
            "sum_move",
        )
    ]
)
PAST = np.dtype([(name, "i8") for name in ("row", "slot", "up", "since_ns", "z", "move")])


@compiled
def fixed(value: float, most: float) -> int:
    """In units of 1e-6, within +-most."""
    return math.floor(max(-most, min(most, value)) * UNIT + 0.5)


@compiled
def standardised(head: Row, group: Row, elapsed_ns: int, move: float) -> float:
    """The move over the symbol's own scale for that phase and time; NaN where it has none. Not corrected for the hour:
    a market's symbols share it."""
    unit = head.last_ns - head.event_ns
    if unit <= 0:
        unit = MINUTE_NS
    sigma, source = sigma_of(head.scale, group, head.phase, 0.0)
    if source == GROUP:
        unit = MINUTE_NS
    return float(move / (sigma * math.sqrt(max(1.0, elapsed_ns / unit))))


@compiled_apart
def note_past(
    end_ns: int, slot: int, open_bits: int, cold: Row, z: int, move: int, at: int, row: Row, past: Row, n: int
) -> int:
    """Count and list the symbol for each direction in which an open episode of a price rule was above half its
    threshold within the last two minutes. Returns the next free place in `past`."""
    since_up = end_ns
    since_down = end_ns
    bit = 0
    while open_bits:
        ep = cold.episodes[bit]
        if open_bits & 1 and ep.state != CLOSED and ep.last_above_ns > end_ns - PAST_NS:
            if bit & 1:
                since_down = min(since_down, ep.onset_ns)
            else:
                since_up = min(since_up, ep.onset_ns)
        open_bits >>= 1
        bit += 1
    for up in range(2):
        since = since_up if up else since_down
        if since < end_ns:
            if up:
                row.up += 1
            else:
                row.down += 1
            to = past[n]
            to.row = at
            to.slot = slot
            to.up = up
            to.since_ns = since
            to.z = z
            to.move = move
            n += 1
    return n


@compiled_apart
def breadth(
    end_ns: int,
    slots: int,
    markets: int,
    price_bits: int,
    market_of: Row,
    hot: Row,
    cold: Row,
    groups: Row,
    group_of: Row,
    rows: Row,
    first: int,
    past: Row,
    n: int,
) -> int:
    """Fill rows[first:first + markets] for the minute that ends at `end_ns`, and `past` from place n on; returns the
    next free place there. Cost: some 20 ns an active symbol."""
    for m in range(markets):
        row = rows[first + m]
        row.end_ns = end_ns
        row.market = m
        row.active = 0
        row.rising = 0
        row.falling = 0
        row.up = 0
        row.down = 0
        row.judged = 0
        row.sum_z = 0
        row.sum_zz = 0
        row.sum_move = 0
    for slot in range(slots):
        head = hot[slot].head
        if head.recent_n == 0 or head.last_ns <= end_ns - WINDOW_NS:
            continue
        at = first + market_of[slot]
        row = rows[at]
        row.active += 1
        j = close_before(head, end_ns - WINDOW_NS)
        change = head.close / head.recent_close[j] - 1.0
        move = fixed(change, MOST_MOVE)
        row.sum_move += move
        if move > 0:
            row.rising += 1
        elif move < 0:
            row.falling += 1
        z = 0
        score = standardised(head, groups[group_of[slot]], head.close_ns - head.recent_ns[j], change)
        if math.isfinite(score):
            z = fixed(score, MOST_Z)
            row.judged += 1
            row.sum_z += z
            row.sum_zz += (z * z) // UNIT
        if head.open_mask & price_bits:
            n = note_past(end_ns, slot, head.open_mask & price_bits, cold[slot], z, move, at, row, past, n)
    return n
