"""The life of an alert: pending signals are not seen here; firing -> recovering -> resolved, or retracted.

Kernels: they change an `EPISODE` row in place and say which revisions came of it. Every function costs a few
nanoseconds and touches no memory beyond its arguments.
"""

import math

from tapewatch.alerts.codes import (
    CLOSED,
    DATA_QUALITY,
    FIRED,
    FIRING,
    NEW_LEVEL,
    PRICE,
    RECOVERING,
    RECOVERS,
    REFIRED,
    RESOLVED,
    REVERTED,
    SIGNAL,
    WORSENED,
)
from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.alerts.rows import DETAILS
from tapewatch.model.alerts import CRITICAL_AT, HIGH_AT, OPENS_AT
from tapewatch.model.times import MINUTE_NS

INCIDENT_NS = 15 * MINUTE_NS
WORSE = 1.5
RETRACT_BARS = 3


@compiled
def band(score: float) -> int:
    """Severity band of a score: 0 low, 1 medium, 2 high, 3 critical."""
    if score >= CRITICAL_AT:
        return 3
    if score >= HIGH_AT:
        return 2
    return 1 if score >= OPENS_AT else 0


@compiled
def move(price: float, before: float) -> float:
    """Size of a move as a fraction of the price before; 0 where there is no such price."""
    if before > 0.0 and math.isfinite(price):
        return abs(price / before - 1.0)
    return 0.0


@compiled_apart
def join_incident(incidents: Row, episode: Row, category: int, onset_ns: int, onset_k: int) -> None:
    """Name the incident that an alert with this onset belongs to: onsets within 15 minutes are linked."""
    if incidents.onset_ns[category] == 0 or abs(onset_ns - incidents.last_onset_ns[category]) > INCIDENT_NS:
        incidents.onset_ns[category] = onset_ns
        incidents.onset_k[category] = onset_k
    incidents.last_onset_ns[category] = max(onset_ns, incidents.last_onset_ns[category])
    episode.incident_ns = incidents.onset_ns[category]
    episode.incident_k = incidents.onset_k[category]


@compiled
def remember(episode: Row, event: Row) -> None:
    """Keep the numbers of the strongest signal: what explains the episode for as long as it lasts."""
    episode.score = event.score
    episode.rarity = event.rarity
    episode.price = event.price
    episode.origin = event.before
    episode.calibrated = event.calibrated
    episode.value = event.value
    episode.threshold = event.threshold
    episode.source = event.source
    for j in range(DETAILS):
        episode.detail[j] = event.detail[j]


@compiled_apart
def start(episode: Row, incidents: Row, common: Row, event: Row, confirmed: int, act_ns: int) -> None:
    """Open an episode with the signal in `event`. The price before and the threshold are frozen. What is dated ahead of
    the symbol's clock `act_ns` belongs to the incident of now: no later one would be near it."""
    episode.state = FIRING
    episode.revision = 1
    episode.onset_ns = event.event_ns
    episode.onset_k = event.k
    episode.before = event.before
    episode.extreme = event.price
    episode.told = event.price
    remember(episode, event)
    episode.signals = 1
    episode.confirmed = confirmed
    episode.quiet = 0
    episode.recovering_ns = 0
    category = DATA_QUALITY if common.category == DATA_QUALITY else PRICE
    join_incident(incidents, episode, category, min(event.event_ns, act_ns), event.k)


@compiled_apart
def absorb(episode: Row, event: Row, act_ns: int) -> int:
    """Take a signal into its episode, or open one. Returns the kind of event that it makes.

    Muted by the cool-down (an equal or smaller move in the same direction) it stays a mere signal.
    """
    if episode.state == CLOSED:
        if act_ns < episode.cool_until_ns and move(event.price, event.before) <= episode.cool_move:
            return SIGNAL
        return FIRED
    episode.signals += 1
    worse = band(event.score) > band(episode.score)
    if event.score > episode.score:
        remember(episode, event)
    if episode.state == RECOVERING:
        episode.state = FIRING
        episode.revision += 1
        return REFIRED
    if worse:
        return WORSENED
    return SIGNAL


@compiled
def follow(episode: Row, direction: int, price: float) -> bool:
    """Let an open episode see a price; True where it is an extreme of at least 1.5 times what was last told."""
    if direction == 0:
        return False
    if (price - episode.extreme) * direction <= 0.0:
        return False
    episode.extreme = price
    told = move(episode.told, episode.before)
    beyond = (price - episode.before) * direction > 0.0
    return beyond and episode.state == FIRING and told > 0.0 and move(price, episode.before) >= WORSE * told


@compiled
def end_reason(episode: Row, price: float) -> int:
    """`reverted` where under half of the largest move is left, else `new_level`."""
    left = move(price, episode.before)
    return REVERTED if left < 0.5 * move(episode.extreme, episode.before) else NEW_LEVEL


@compiled
def is_retracted(episode: Row, price: float, gone_ns: int, interval_ns: int) -> bool:
    """A lone signal without volume behind it, of which 80 % came back within 3 bars: it was no move. `gone_ns` is the
    time since it: what is back only after a hole may have been one."""
    if episode.state != FIRING or episode.confirmed or episode.signals > 1 or episode.quiet > RETRACT_BARS:
        return False
    if gone_ns > (RETRACT_BARS + 1) * max(interval_ns, MINUTE_NS):
        return False
    return move(price, episode.before) <= 0.2 * move(episode.extreme, episode.before)


@compiled
def quiet_enough(episode: Row, common: Row, is_bar: bool, act_ns: int, since_ns: int) -> bool:
    """Has it been quiet for `keep_bars` bars (`is_bar`), or for `keep_ns` (trades, bars below a minute)? Counted in
    ticks: no data, no end."""
    if is_bar:
        enough: bool = episode.quiet >= common.keep_bars
    else:
        enough = act_ns - since_ns >= common.keep_ns
    return enough


@compiled_apart
def calm(episode: Row, common: Row, is_bar: bool, act_ns: int) -> int:
    """An open episode saw a tick without a signal above half the threshold. Returns RECOVERS, RESOLVED or SIGNAL."""
    episode.quiet += 1
    if episode.state == FIRING and quiet_enough(episode, common, is_bar, act_ns, episode.last_above_ns):
        episode.state = RECOVERING
        episode.quiet = 0
        episode.recovering_ns = act_ns
        episode.revision += 1
        return RECOVERS
    if episode.state == RECOVERING and quiet_enough(episode, common, is_bar, act_ns, episode.recovering_ns):
        return RESOLVED
    return SIGNAL


@compiled
def close(episode: Row, common: Row, act_ns: int) -> None:
    """End an episode: one more revision, and the cool-down begins."""
    episode.state = CLOSED
    episode.revision += 1
    episode.cool_until_ns = act_ns + common.cooldown_ns
    episode.cool_move = move(episode.extreme, episode.before)
