"""From what a rule says of a tick to events: signals, and the transitions of its two episodes."""

from tapewatch.alerts.codes import (
    BAD_PRINT,
    CLOSE,
    CLOSED,
    DATA_QUALITY,
    DATA_RETURNED,
    FINAL,
    FIRE,
    FIRED,
    HALF,
    NO_REASON,
    RESOLVED,
    RETRACTED,
    REVERTED,
    SESSION_END,
    SIGNAL,
    WORSENED,
)
from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.alerts.episodes import WORSE, absorb, calm, close, end_reason, follow, is_retracted, start
from tapewatch.alerts.rows import DETAILS, LAST_TICKS
from tapewatch.detection.layout import RECENT
from tapewatch.detection.quarantine import CONFIRMS
from tapewatch.model.times import MINUTE_NS

REPEAT_NS = MINUTE_NS
"""A rule that still holds publishes a signal this often in event time; sooner only one `WORSE` times as strong."""


@compiled
def snapshot(to: Row, ep: Row) -> None:
    """Copy an episode's row into an event."""
    to.state = ep.state
    to.revision = ep.revision
    to.onset_ns = ep.onset_ns
    to.onset_k = ep.onset_k
    to.incident_ns = ep.incident_ns
    to.incident_k = ep.incident_k
    to.before = ep.before
    to.extreme = ep.extreme
    to.told = ep.told
    to.score = ep.score
    to.rarity = ep.rarity
    to.price = ep.price
    to.origin = ep.origin
    to.calibrated = ep.calibrated
    to.value = ep.value
    to.threshold = ep.threshold
    to.source = ep.source
    for j in range(DETAILS):
        to.detail[j] = ep.detail[j]
    to.signals = ep.signals


@compiled_apart
def stamp(event: Row, kind: int, fired: int, rule: int, head: Row, tick: Row, where: Row, reason: int) -> None:
    """Fill what every event carries: the tick, the symbol's health, its last closes. `where` = (record, offset, slot,
    k)."""
    event.kind = kind
    event.stage = FINAL
    event.fired = fired
    event.rule = rule
    event.record = where[0]
    event.offset = where[1]
    event.slot = where[2]
    event.k = where[3]
    event.event_ns = tick.event_ns
    event.phase = tick.phase
    event.price = tick.close
    event.volume = tick.volume
    event.normal_volume = tick.normal_volume
    event.bars = head.count
    event.phase_bars = head.phase_n[head.phase]
    event.holes = head.holes
    event.reason = reason
    n = min(head.recent_n, LAST_TICKS)
    for j in range(n):
        at = (head.recent_n - n + j) % RECENT
        event.ticks_ns[j] = head.recent_ns[at]
        event.ticks_close[j] = head.recent_close[at]
    event.ticks_n = n


@compiled_apart
def emit(
    out: Row,
    m: int,
    kind: int,
    rule: int,
    direction: int,
    ep: Row,
    head: Row,
    tick: Row,
    where: Row,
    reason: int,
) -> int:
    """Write a transition that is not itself a signal; returns the next free place."""
    event = out.at[m]
    event.direction = direction
    event.score = ep.score
    event.rarity = ep.rarity
    event.value = ep.value
    event.threshold = ep.threshold
    event.before = ep.before
    stamp(event, kind, 0, rule, head, tick, where, reason)
    snapshot(event.episode, ep)
    return m + 1


@compiled
def tell(ep: Row) -> None:
    """One more revision; what is told now is the extreme so far."""
    ep.revision += 1
    ep.told = ep.extreme


@compiled
def repeats_too_soon(ep: Row, value: float, act_ns: int) -> bool:
    """Was a signal like this one published less than `REPEAT_NS` ago?"""
    soon: bool = act_ns - ep.said_ns < REPEAT_NS and abs(value) < WORSE * abs(ep.said)
    return soon


@compiled_apart
def on_fire(out: Row, m: int, rule: int, common: Row, head: Row, cold: Row, tick: Row, where: Row) -> int:
    """A signal in out.at[m]: it opens an episode, is absorbed, or (rules without episodes) is an alert of its own.

    One that changes nothing is counted, and not written where it `repeats_too_soon`.
    """
    event = out.at[m]
    event.score = min(event.score, common.ceiling)
    bit = 2 * rule + (1 if event.direction < 0 else 0)
    ep = cold.episodes[bit]
    event.event_ns = tick.event_ns
    event.k = where[3]
    event.price = tick.close
    for j in range(common.details, DETAILS):  # the place in the buffer has been used before
        event.detail[j] = 0.0
    confirmed = 1 if event.confirmed or (tick.known and tick.volume >= CONFIRMS * tick.normal_volume) else 0
    event.confirmed = 0  # the place in the buffer is used again
    if common.each:
        kind = FIRED
        start(ep, cold.incidents, common, event, confirmed, tick.act_ns)
        stamp(event, kind, 1, rule, head, tick, where, NO_REASON)
        snapshot(event.episode, ep)
        ep.state = CLOSED
        return m + 1
    kind = absorb(ep, event, tick.act_ns)
    if kind == FIRED:
        start(ep, cold.incidents, common, event, confirmed, tick.act_ns)
        head.open_mask |= 1 << bit
    elif ep.state != CLOSED:
        if follow(ep, event.direction, tick.close) and kind == SIGNAL:
            kind = WORSENED
        if kind == WORSENED:
            ep.revision += 1
        if kind != SIGNAL:
            ep.told = ep.extreme
    if ep.state != CLOSED:  # muted, it changes nothing
        ep.quiet = 0
        ep.last_above_ns = tick.act_ns
    if kind == SIGNAL and repeats_too_soon(ep, event.value, tick.act_ns):
        return m
    ep.said_ns = tick.act_ns
    ep.said = event.value
    stamp(event, kind, 1, rule, head, tick, where, NO_REASON)
    snapshot(event.episode, ep)
    return m + 1


@compiled_apart
def end_episode(
    out: Row,
    m: int,
    kind: int,
    rule: int,
    bit: int,
    direction: int,
    ep: Row,
    common: Row,
    head: Row,
    tick: Row,
    where: Row,
    reason: int,
) -> int:
    """Resolve or retract, and remember that it is closed."""
    close(ep, common, tick.act_ns)
    head.open_mask &= ~(1 << bit)
    return emit(out, m, kind, rule, direction, ep, head, tick, where, reason)


@compiled_apart
def follow_up(
    out: Row,
    m: int,
    level: int,
    signal_direction: int,
    rule: int,
    common: Row,
    head: Row,
    cold: Row,
    tick: Row,
    where: Row,
) -> int:
    """Let the rule's open episodes see a tick that did not fire in their direction."""
    is_bar = tick.interval_ns > 0
    for side in range(2):
        bit = 2 * rule + side
        if (head.open_mask >> bit) & 1 == 0:
            continue
        ep = cold.episodes[bit]
        direction = (1 if side == 0 else -1) if common.directed else 0
        if level == FIRE and signal_direction == (1 if side == 0 else -1):
            continue
        if level == CLOSE:
            m = end_episode(out, m, RESOLVED, rule, bit, direction, ep, common, head, tick, where, DATA_RETURNED)
            continue
        gone_ns = tick.act_ns - ep.last_above_ns
        if is_bar and direction != 0 and is_retracted(ep, tick.close, gone_ns, tick.interval_ns):
            m = end_episode(out, m, RETRACTED, rule, bit, direction, ep, common, head, tick, where, BAD_PRINT)
            continue
        if follow(ep, direction, tick.close):
            tell(ep)
            m = emit(out, m, WORSENED, rule, direction, ep, head, tick, where, NO_REASON)
        if level == HALF and signal_direction == direction:
            ep.quiet = 0
            ep.last_above_ns = tick.act_ns
            continue
        kind = calm(ep, common, tick.interval_ns >= MINUTE_NS, tick.act_ns)
        if kind == RESOLVED:
            reason = REVERTED if common.category != DATA_QUALITY else DATA_RETURNED
            if direction != 0:
                reason = end_reason(ep, tick.close)
            m = end_episode(out, m, RESOLVED, rule, bit, direction, ep, common, head, tick, where, reason)
        elif kind != SIGNAL:
            m = emit(out, m, kind, rule, direction, ep, head, tick, where, NO_REASON)
    return m


@compiled_apart
def settle(out: Row, m: int, level: int, common: Row, head: Row, cold: Row, tick: Row, where: Row) -> int:
    """Everything that follows from one rule's level on one tick; returns the next free place in `out`."""
    rule = common.rule
    signal_direction = out.at[m].direction
    if level == FIRE:
        m = on_fire(out, m, rule, common, head, cold, tick, where)
    if (head.open_mask >> (2 * rule)) & 3:
        seen = 1 if level == FIRE and signal_direction == 0 else signal_direction
        m = follow_up(out, m, level, seen, rule, common, head, cold, tick, where)
    return m


@compiled_apart
def end_session(out: Row, m: int, common: Row, head: Row, cold: Row, tick: Row, where: Row) -> int:
    """The session is over: the rule's open episodes resolve, dated to its end."""
    rule = common.rule
    for side in range(2):
        bit = 2 * rule + side
        if (head.open_mask >> bit) & 1:
            direction = (1 if side == 0 else -1) if common.directed else 0
            ep = cold.episodes[bit]
            m = end_episode(out, m, RESOLVED, rule, bit, direction, ep, common, head, tick, where, SESSION_END)
    return m
