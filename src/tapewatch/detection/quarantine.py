"""Prints that cannot be, and jumps that nothing confirms: held until the next ticks tell; never dropped."""

import math

from tapewatch.alerts.codes import codes
from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.detection.layout import HOLDS, RECENT
from tapewatch.model.times import MINUTE_NS

OK, NOT_POSITIVE, CROSSED, OFF_SCALE, REVERTED, AHEAD, JUMP, WATCHED = codes(8)
"""Verdicts; JUMP is held and not yet one. A WATCHED jump is judged at once, and taken back if the next bar is back."""

WAIT, RELEASE, DISCARD = codes(3)
PENDING_NS = 3 * MINUTE_NS
CONFIRM_OFF_SCALE = 2  # ticks at the new level after the first: three in a row
BACK = 0.2  # of the jump left: 80 % reverted
THIN_SCALES, WATCH_SCALES = 4.0, 6.0
CONFIRMS = 1.95  # times the normal volume: so much trading stands behind a price


@compiled
def impossible(o: float, h: float, lo: float, c: float) -> int:
    """NOT_POSITIVE or CROSSED where no market can have printed that, else OK. Cannot be confirmed by anything."""
    if not (c > 0.0 and math.isfinite(c)) or not (o > 0.0 and h > 0.0 and lo > 0.0):
        return NOT_POSITIVE
    slack = 1e-9 * c
    if h < lo - slack or c > h + slack or c < lo - slack or o > h + slack or o < lo - slack:
        return CROSSED
    return OK


@compiled
def suspicious(
    close: float, before: float, thin: bool, jump: float, off_scale: float, sigma: float, step: float
) -> int:
    """OFF_SCALE or JUMP where a readable print has to wait for the next ones, WATCHED where it is judged and the next
    one may take it back, else OK. `thin`: volume cannot confirm here."""
    ratio = close / before
    if ratio >= off_scale or ratio <= 1.0 / off_scale:
        return OFF_SCALE
    size = abs(ratio - 1.0)
    if size < jump or abs(close - before) <= 2.5 * step:
        return OK
    if thin:
        return JUMP if not math.isfinite(sigma) or size >= THIN_SCALES * sigma else OK
    return WATCHED if math.isfinite(sigma) and size >= WATCH_SCALES * sigma else OK


@compiled_apart
def take_back(head: Row, cold: Row) -> None:
    """Let the windows forget a watched jump, the newest close: what follows is compared with the price before it."""
    before = cold.held[0].open
    head.close = before
    if head.recent_n > 0:
        head.recent_close[(head.recent_n - 1) % RECENT] = before


@compiled_apart
def hold(
    head: Row,
    cold: Row,
    event_ns: int,
    interval_ns: int,
    dt_ns: int,
    k: int,
    offset: int,
    o: float,
    h: float,
    lo: float,
    c: float,
    v: float,
) -> None:
    """Put a tick into quarantine, behind those that wait there."""
    held = cold.held[head.held_n]
    head.held_n += 1
    held.event_ns = event_ns
    held.interval_ns = interval_ns
    held.dt_ns = dt_ns
    held.k = k
    held.offset = offset
    held.open = o
    held.high = h
    held.low = lo
    held.close = c
    held.volume = v


@compiled_apart
def judge_held(head: Row, cold: Row, close: float, act_ns: int) -> int:
    """What the next tick says of the first held one: WAIT (hold this one too), RELEASE (it was real) or DISCARD (it was
    not)."""
    held = cold.held[0]
    watched = head.held_kind == WATCHED
    late = act_ns - (held.event_ns + held.interval_ns) > PENDING_NS
    before = held.open if watched else head.close
    left = (close - before) / (held.close - before)
    if watched and late:
        return RELEASE
    if left <= BACK:
        return DISCARD
    if watched:
        return RELEASE
    if head.held_kind == OFF_SCALE:
        return RELEASE if head.held_n >= CONFIRM_OFF_SCALE else WAIT
    return RELEASE if left >= 0.5 or head.held_n >= HOLDS or late else WAIT
