"""venue_divergence: the price of a name on one venue leaves that on the others."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NEW_LEVEL, NONE, RESOLVED, TIMER
from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.detection.detectors.base import Detector, Params, Tick
from tapewatch.detection.features import close_before, tick_size
from tapewatch.detection.peers import NAME_PARTS
from tapewatch.detection.settle import settle
from tapewatch.detection.stats.scale import CLIP, FIXED, OWN_PHASE
from tapewatch.detection.stats.tail import percent_score
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.prices import price_text
from tapewatch.model.times import MINUTE_NS


class VenueDivergence(Params, frozen=True, forbid_unknown_fields=True):
    """In `minutes` compared minutes in a row a venue's close was further from that of the others, on one side, than the
    larger of `pct` and `scales` times its usual distance, after an hour of minutes to learn from.

    At each minute's end the venues with a close of that minute are compared: a stale venue, or one with a print in
    quarantine, takes no part. Each has a usual level against the others, so that a constant premium is none. Distance
    is from the other venue where there are two, else from the middle of all. Of two, the alert is that of the venue
    which has moved more since it was near, against what it usually moves in a minute. Severity is by depth, in times
    of the limit. A premium that stays is learnt in half a day.
    Source: the law of one price; Makarov and Schoar 2020, "Trading and arbitrage in cryptocurrency markets", find
    venues of one region within 1 % of each other nearly always, and lasting premiums of many percent between regions.
    Cost: some 100 ns a venue and minute, nothing a tick. It cannot see fees, depth or closed withdrawals, which of two
    venues is right, nor that two venues mean different things by one symbol (exclude those); a half of four or more
    that moves away is told on all of them; beyond 16 venues of a name the others by their names' order are left out.
    """

    pct: float = 1.0
    high_pct: float = 2.0
    critical_pct: float = 5.0
    scales: float = 8.0
    minutes: int = 3
    min_ticks: float = 2.5


STATE = np.dtype(
    [
        ("n", "i8"),  # minutes compared
        ("at_ns", "i8"),  # end of the last of them
        ("run", "i8"),  # of them, beyond the limit in a row; below 0: under the others
        ("level", "f8"),  # usual log distance from what all venues of the name have in common
        ("usual", "f8"),  # the level when the run, or the episode, began
        ("spread", "f8"),  # mean absolute log distance from it
        ("pace", "f8"),  # mean absolute log move from minute to minute
        ("close", "f8"),  # of the last compared minute
        ("near", "f8"),  # close of the last minute in which it was near the others
    ]
)
RECORD = np.dtype(
    [("pct", "f8"), ("high", "f8"), ("critical", "f8"), ("scales", "f8"), ("minutes", "i8"), ("min_ticks", "f8")]
)
MOST_VENUES = 16
ENOUGH = 60  # minutes compared before a venue is judged, as for a scale of returns
CLIP_FROM = 20
MEMORY = 2.0 / 1441.0  # a day of minutes
HOLE_NS = 5 * MINUTE_NS
"""Minutes that were not compared, up to this, do not end a run; they do not count in it either."""


def _pack(p: VenueDivergence) -> dict[str, float | int]:
    if not 0 < p.pct < p.high_pct < p.critical_pct:
        raise InputError(
            f"venue_divergence: pct {p.pct} < high_pct {p.high_pct} < critical_pct {p.critical_pct} must hold"
        )
    if p.minutes < 1:
        raise InputError(f"venue_divergence: minutes {p.minutes} must be at least 1")
    return {
        "pct": p.pct,
        "high": p.high_pct,
        "critical": p.critical_pct,
        "scales": p.scales,
        "minutes": p.minutes,
        "min_ticks": p.min_ticks,
    }


@compiled
def percent(distance: float) -> float:
    """A log distance in percent."""
    return 100.0 * (math.exp(distance) - 1.0)


@compiled
def takes_part(common: Row, head: Row, end_ns: int) -> bool:
    """Has it a close of the minute, none that waits in quarantine, and is it in a phase of the rule?"""
    if head.recent_n == 0 or head.held_n > 0 or (common.phases >> head.phase) & 1 == 0:
        return False
    at_ns = head.recent_ns[close_before(head, end_ns)]
    fresh: bool = end_ns - MINUTE_NS < at_ns <= end_ns
    return fresh


@compiled
def middle(values: Row, n: int) -> float:
    """Median of the first n."""
    ordered = np.sort(values[:n])
    return float(0.5 * (ordered[(n - 1) // 2] + ordered[n // 2]))


@compiled_apart
def adjusted(states: Row, slots: Row, prices: Row, n: int, values: Row) -> float:
    """Fill `values` with the log prices (in times of the first) less their usual levels, and return their middle. A
    venue that is compared for the first time takes the level at which it stands."""
    known = 0
    for k in range(n):
        if states[slots[k]].n > 0:
            values[known] = math.log(prices[k] / prices[0]) - states[slots[k]].level
            known += 1
    if known == 0:
        for k in range(n):
            values[k] = math.log(prices[k] / prices[0])
    common = middle(values, known if known > 0 else n)
    for k in range(n):
        state = states[slots[k]]
        values[k] = math.log(prices[k] / prices[0])
        if state.n == 0:
            state.level = values[k] - common
        values[k] -= state.level
    return middle(values, n)


@compiled
def judge(state: Row, params: Row, distance: float, limit: float, grain: float, end_ns: int, opened: bool) -> int:
    """What the rule says of one venue's minute; counts the minutes in a row."""
    side = 0
    if abs(percent(distance)) >= limit and abs(distance) >= params.min_ticks * grain:
        side = 1 if distance > 0.0 else -1
    if side * state.run <= 0 or end_ns - state.at_ns > HOLE_NS:
        state.run = 0
        if not opened:
            state.usual = state.level
    state.run += side
    if abs(percent(distance)) < 0.5 * limit:
        return NONE
    return FIRE if abs(state.run) >= params.minutes else HALF


@compiled
def strayed(state: Row, price: float, distance: float, floor: float) -> float:
    """How far a venue has moved since it was near, in times of its usual minute; 0 where it went the other way than it
    stands, so that its distance is the other's doing."""
    move = math.log(price / state.near)
    return abs(move) / max(state.pace, floor) if move * distance > 0.0 else 0.0


@compiled
def learn(state: Row, price: float, away: float, distance: float, floor: float, end_ns: int) -> None:
    """Take the minute into what is usual, clipped where it was extreme."""
    state.n += 1
    weight = max(1.0 / state.n, MEMORY)
    move = 0.0
    if state.n > 1:
        move = abs(math.log(price / state.close))
    size = abs(distance)
    if state.n > CLIP_FROM:
        most = CLIP * max(state.spread, floor)
        away = max(-most, min(most, away))
        size = min(size, most)
        move = min(move, CLIP * max(state.pace, floor))
    state.level += weight * away
    state.spread += weight * (size - state.spread)
    state.pace += weight * (move - state.pace)
    state.close = price
    state.at_ns = end_ns


@compiled_apart
def explain(
    signal: Row, state: Row, params: Row, peer: Row, price: float, distance: float, limit: float, n: int, shift: float
) -> None:
    """Fill a signal; `peer` is (price, place in the table of names) of the venue that is told beside it, `shift` how
    far from that one it usually is."""
    change = percent(distance)
    times = limit / params.pct
    signal.direction = 0
    signal.score = percent_score(change, limit, params.high * times, params.critical * times)
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.confirmed = 1
    signal.value = change
    signal.threshold = limit if change > 0.0 else -limit
    signal.before = price * math.exp(-distance)
    signal.source = OWN_PHASE if limit > params.pct else FIXED
    signal.detail[0] = peer[0]
    signal.detail[1] = percent(shift)
    signal.detail[2] = abs(state.run)
    signal.detail[3] = n
    for j in range(NAME_PARTS):
        signal.detail[4 + j] = peer[1][j]


@compiled
def is_open(common: Row, head: Row) -> bool:
    """Has the rule an open episode there?"""
    return bool((head.open_mask >> (2 * common.rule)) & 3)


@compiled_apart
def speaker(common: Row, heads: Row, states: Row, slots: Row, prices: Row, far: Row, floor: float) -> int:
    """Which of two venues (0 or 1) the distance between them belongs to: the one whose episode is open, else the one
    that strayed further; -1 where it belongs to both."""
    first, second = is_open(common, heads[slots[0]]), is_open(common, heads[slots[1]])
    if first and second:
        return -1
    if first or second:
        return 1 if second else 0
    strays = strayed(states[slots[1]], prices[1], far[1], floor), strayed(states[slots[0]], prices[0], far[0], floor)
    return 1 if strays[0] > strays[1] else 0


@compiled
def nearest(values: Row, n: int, k: int, common: float) -> int:
    """Of the others than k, the one that stands nearest to what they have in common."""
    best = 1 if k == 0 else 0
    for j in range(best + 1, n):
        if j != k and abs(values[j] - common) < abs(values[best] - common):
            best = j
    return best


@compiled_apart
def tell(
    out: Row, m: int, said: int, left: float, common: Row, head: Row, cold: Row, price: float, end_ns: int, where: Row
) -> int:
    """What follows for the venue's episode, as of the minute's end. `left` is the distance by the level that was usual
    before it: an episode that ends because that was learnt did not revert."""
    tick = Tick(end_ns, end_ns, MINUTE_NS, price, price, price, price, 0.0, 0, 0, math.nan, head.phase, 0, 0, 0.0,
                math.nan, 0, math.nan, head.volume_dev, 0.0)  # fmt: skip
    before = m
    m = settle(out, m, said, common, head, cold, tick, where)
    if m > before and out.at[m - 1].kind == RESOLVED:
        ended = out.at[m - 1]
        if abs(percent(left)) >= 0.5 * abs(ended.episode.value):
            ended.reason = NEW_LEVEL
    return m


@compiled_apart
def let_go(
    peers: Row, first: int, last: int, end_ns: int, heads: Row, cold: Row, common: Row, out: Row, m: int, record: int,
    offset: int, dirty: Row,
) -> int:  # fmt: skip
    """Outside of its time the rule says nothing, and what is open calms down."""
    for at in range(first, last):
        slot = peers[at, 0]
        head = heads[slot]
        if is_open(common, head):
            price = head.recent_close[close_before(head, end_ns)]
            out.at[m].direction = 0
            m = tell(out, m, NONE, 0.0, common, head, cold[slot], price, end_ns, (record, offset, slot, TIMER))
            dirty[slot] |= 3
    return m


@compiled_apart
def gather(
    peers: Row, first: int, last: int, end_ns: int, states: Row, heads: Row, common: Row, masks: Row, group_of: Row,
    groups: Row, rows: Row, slots: Row, prices: Row,
) -> tuple[int, int, float]:  # fmt: skip
    """Fill `rows`, `slots` and `prices` with the venues of peers[first:last] that take part. Returns how many do, how
    many of them know what is usual, and the coarsest tick size as a fraction of the price."""
    n, warm, grain = 0, 0, 0.0
    for at in range(first, last):
        slot = peers[at, 0]
        head = heads[slot]
        if n < MOST_VENUES and (masks[slot] >> common.rule) & 1 and takes_part(common, head, end_ns):
            rows[n], slots[n] = at, slot
            prices[n] = head.recent_close[close_before(head, end_ns)]
            grain = max(grain, tick_size(head, groups[group_of[slot]]) / prices[n])
            warm += 1 if states[slot].n >= ENOUGH else 0
            n += 1
    return n, warm, grain


@compiled_apart
def step(
    peers: Row, first: int, last: int, end_ns: int, states: Row, heads: Row, cold: Row, common: Row, params: Row,
    masks: Row, group_of: Row, groups: Row, out: Row, m: int, record: int, offset: int, dirty: Row,
) -> int:  # fmt: skip
    """Compare the venues peers[first:last] of one name; returns the next free place in `out`."""
    if end_ns < common.from_ns or end_ns >= common.until_ns:
        return let_go(peers, first, last, end_ns, heads, cold, common, out, m, record, offset, dirty)
    rows, slots = np.zeros(MOST_VENUES, np.int64), np.zeros(MOST_VENUES, np.int64)
    prices, values, far = np.zeros(MOST_VENUES), np.zeros(MOST_VENUES), np.zeros(MOST_VENUES)
    n, warm, grain = gather(
        peers, first, last, end_ns, states, heads, common, masks, group_of, groups, rows, slots, prices
    )
    if n < 2:
        return m
    shared = adjusted(states, slots, prices, n, values)
    floor = 0.5 * grain
    for k in range(n):
        far[k] = values[k] - (values[1 - k] if n == 2 else shared)
    owner = speaker(common, heads, states, slots, prices, far, floor) if n == 2 and warm == 2 else -1
    for k in range(n):
        slot = slots[k]
        state, head, said = states[slot], heads[slot], NONE
        judged = warm > 1 and state.n >= ENOUGH
        opened = judged and is_open(common, head)
        if judged:
            limit = max(params.pct, percent(params.scales * max(state.spread, floor)))
            said = judge(state, params, far[k], limit, grain, end_ns, opened)
            if said == FIRE and owner in (-1, k):
                j = nearest(values, n, k, shared)
                shift = state.level - states[slots[j]].level
                peer = (prices[j], peers[rows[j], 2:])
                explain(out.at[m], state, params, peer, prices[k], far[k], limit, n, shift)
        before = m
        out.at[m].direction = 0
        if opened or (said == FIRE and owner in (-1, k)):
            left = far[k] + (state.level - state.usual) * (2.0 if n == 2 else 1.0)
            m = tell(out, m, said, left, common, head, cold[slot], prices[k], end_ns, (record, offset, slot, TIMER))
        if said == NONE:
            state.near = prices[k]
        dirty[slot] |= 3 if opened or m > before else 1
    for k in range(n):
        learn(states[slots[k]], prices[k], values[k] - shared, far[k], floor, end_ns)
    return m


def _sentence(alert: Alert) -> str:
    details = alert.details
    other = f"{details['other_venue']}'s {price_text(float(details['other_price'] or 0.0))}"
    if float(details["venues"] or 0.0) > 2.0:
        other += f" (the middle of {details['venues']:.0f} venues)"
    return (
        f"is at {price_text(alert.price)}, {alert.value:+.2f} % from the {price_text(alert.price_before)} that"
        f" {other} and the usual {details['usual_pct']:+.2f} % between them let expect, for"
        f" {details['minutes']:.0f} minutes, where {abs(alert.threshold):.3g} % is the limit"
    )


DETECTOR = Detector(
    name="venue_divergence",
    version=1,
    params=VenueDivergence,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="from_other_venues_pct",
    details=("other_price", "usual_pct", "minutes", "venues", *["other_venue"] * NAME_PARTS),
    sentence=_sentence,
    alert_type="venue_divergence",
    across=True,
    directed=False,
    defaults={"phases": "regular,continuous"},
)
