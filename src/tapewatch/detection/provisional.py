"""Signals that come before their bar is over: provisional first, then confirmed or withdrawn by what the bar comes to.

A rule whose step keeps nothing of a tick may be asked early: on a chunk of trades that still grows, where a trade makes
a new high or low of it, and on a bar that quarantine holds back. It says so once a bar; episodes never see it. When the
bar is judged, the signal it makes confirms what was said before, and where it makes none that is withdrawn.
"""

from tapewatch.alerts.codes import CLOSED, NO_REASON, SIGNAL, WITHDRAWN
from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.alerts.rows import DETAILS
from tapewatch.detection.settle import stamp

WORTH = 0.0025
"""How far, as a fraction, a chunk must have gone from the close before it: less waits for its end."""


@compiled
def is_edge(head: Row, price: float) -> bool:
    """Is this price a new high or low of the chunk that grows, and far enough to be looked at before its end?"""
    chunk = head.chunk
    before = chunk.before if chunk.end_ns > 0 else head.close
    if not before > 0.0 or abs(price - before) < WORTH * before:
        return False
    edge: bool = chunk.end_ns == 0 or price > chunk.high or price < chunk.low
    return edge


@compiled_apart
def say(out: Row, m: int, stage: int, common: Row, head: Row, tick: Row, where: Row, event_ns: int) -> int:
    """Write the signal in out.at[m] as one outside of episodes; returns the next free place. `event_ns`: when it was
    seen; the bar that it is about is that of `tick`."""
    event = out.at[m]
    event.score = min(event.score, common.ceiling)
    event.confirmed = 0
    for j in range(common.details, DETAILS):
        event.detail[j] = 0.0
    stamp(event, SIGNAL, 1, common.rule, head, tick, where, NO_REASON)
    event.event_ns = event_ns
    event.stage = stage
    event.bar_ns = tick.event_ns
    event.episode.state = CLOSED
    return m + 1


@compiled_apart
def withdraw(out: Row, m: int, direction: int, common: Row, head: Row, tick: Row, where: Row) -> int:
    """Take back what was said of this bar in this direction; it has no numbers of its own."""
    event = out.at[m]
    event.direction = direction
    event.score = 0.0
    event.rarity = 0.0
    event.calibrated = 1
    event.value = 0.0
    event.threshold = 0.0
    event.before = head.close
    event.source = 0
    for j in range(DETAILS):
        event.detail[j] = 0.0
    return say(out, m, WITHDRAWN, common, head, tick, where, tick.event_ns)
