"""Which records are judged: late, duplicate, correction and future ones are counted and archived, and move no clock."""

import math

import numpy as np
from numba import njit

from tapewatch.model.times import SECOND_NS

JUDGED, LATE, DUPLICATE, CORRECTION, FUTURE = (np.int64(n) for n in range(5))
AHEAD_NS = 60 * SECOND_NS


@njit(error_model="numpy")
def same(a, b):
    """Equal, or both unknown."""
    return a == b or (math.isnan(a) and math.isnan(b))


@njit(error_model="numpy")
def admit(head, event_ns, act_ns, is_bar, trade_id, append_ns, o, h, lo, c, v):
    """The fate of a record, as design section 3 tells ("Time"). Changes nothing."""
    if append_ns > 0 and act_ns > append_ns + AHEAD_NS:
        return FUTURE
    if head.count == 0:
        return JUDGED
    if act_ns < head.last_ns:
        return LATE
    if is_bar:
        if event_ns == head.event_ns and act_ns == head.last_ns and head.is_bar == 1:
            b = head.last_bar
            equal = b[0] == o and b[1] == h and b[2] == lo and b[3] == c and same(b[4], v)
            return DUPLICATE if equal else CORRECTION
    elif trade_id != 0 and (trade_id == head.ids[0] or trade_id == head.ids[1]):
        return DUPLICATE
    return JUDGED


@njit(error_model="numpy")
def accept(head, event_ns, act_ns, is_bar, trade_id, o, h, lo, c, v):
    """Move the symbol's clock to an accepted record and remember what tells its repeats."""
    head.k = head.k + 1 if head.count > 0 and event_ns == head.event_ns else 0
    head.count += 1
    head.event_ns = event_ns
    head.last_ns = act_ns
    head.is_bar = 1 if is_bar else 0
    if is_bar:
        b = head.last_bar
        b[0] = o
        b[1] = h
        b[2] = lo
        b[3] = c
        b[4] = v
    elif trade_id != 0:
        head.ids[1] = head.ids[0]
        head.ids[0] = trade_id
