"""Which records are judged: late, duplicate, correction and future ones are counted and archived, and move no clock."""

import math

from tapewatch.alerts.codes import codes
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.model.times import SECOND_NS

JUDGED, LATE, DUPLICATE, CORRECTION, FUTURE = codes(5)
AHEAD_NS = 60 * SECOND_NS


@compiled
def same(a: float, b: float) -> bool:
    """Equal, or both unknown."""
    return a == b or (math.isnan(a) and math.isnan(b))


@compiled
def admit(
    head: Row,
    event_ns: int,
    act_ns: int,
    is_bar: bool,
    trade_id: int,
    append_ns: int,
    o: float,
    h: float,
    lo: float,
    c: float,
    v: float,
) -> int:
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


@compiled
def accept(
    head: Row,
    event_ns: int,
    act_ns: int,
    is_bar: bool,
    trade_id: int,
    o: float,
    h: float,
    lo: float,
    c: float,
    v: float,
) -> None:
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
