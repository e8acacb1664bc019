"""Groups: one sell-off, one notice. When a market's minute is a group's beginning, how a group goes on, which incidents
are of it, and whether the market moved with a symbol. Pure; a group never edits an alert."""

from collections.abc import Iterable, Sequence
from math import sqrt

import msgspec

from tapewatch.model import ids
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.market import ENOUGH_ACTIVE, UNIT, Group, MarketMinute, MarketView, Member, Past
from tapewatch.model.signals import Direction
from tapewatch.model.times import HOUR_NS, MINUTE_NS

LEAST_SHARE = 0.5
LEAST_MEMBERS = 3
OPEN_NS = 30 * MINUTE_NS
LONGEST_NS = 4 * HOUR_NS
"""A group ends then even if others keep joining, so that no market is muted for days."""

REACH_NS = 3 * MINUTE_NS
"""How long before its opening a group's members may have begun: the two minutes that count, and a bar."""

LEAST_SPREAD = 0.5
"""Of the others' standardised returns, in standard deviations: three symbols that happen to agree are no measure."""


def open_group(minute: MarketMinute) -> Group | None:
    """The group that a minute opens: at least half of the active symbols, at least three of at least four, past their
    own thresholds in one direction within two minutes. None where it opens none."""
    past = max(minute.up, minute.down)
    if minute.active < ENOUGH_ACTIVE or past < LEAST_MEMBERS or past < LEAST_SHARE * minute.active:
        return None
    group = Group(
        group_id=ids.group_id(minute.market, minute.end_ns),
        revision=1,
        market=minute.market,
        state="open",
        direction="rise" if minute.up > minute.down else "drop",
        from_ns=minute.end_ns - REACH_NS,
        opened_ns=minute.end_ns,
        last_ns=minute.end_ns,
        until_ns=minute.end_ns + OPEN_NS,
        active=minute.active,
        past=past,
        move_pct=_mean_pct(minute),
        members=_members(minute, ()),
        message="",
    )
    return msgspec.structs.replace(group, message=_message(group))


def follow_group(group: Group, minute: MarketMinute) -> Group:
    """The next revision of an open group after a minute in which symbols of its market, in either direction, were past
    their thresholds."""
    mean = _mean_pct(minute)
    farther = mean < group.move_pct if group.direction == "drop" else mean > group.move_pct
    after = msgspec.structs.replace(
        group,
        revision=group.revision + 1,
        last_ns=minute.end_ns,
        until_ns=min(minute.end_ns + OPEN_NS, group.opened_ns + LONGEST_NS),
        move_pct=mean if farther else group.move_pct,
        members=[*group.members, *_members(minute, group.members)],
    )
    return msgspec.structs.replace(after, message=_message(after))


def close_group(group: Group) -> Group:
    """The last revision: nothing joins any more."""
    return msgspec.structs.replace(group, revision=group.revision + 1, state="closed")


def group_of(item: Incident | Alert, market: str, groups: Iterable[Group]) -> Group | None:
    """Which of the groups the incident, or one that began with the alert, belongs to; None for none. `market` is its
    own. Data quality has no group. Of two, the one that opened first."""
    if item.category == "data_quality":
        return None
    fits = [g for g in groups if g.market == market and g.from_ns <= item.onset_ns <= g.until_ns]
    return min(fits, key=lambda g: (g.opened_ns, g.group_id), default=None)


def incident_for(group: Group, incidents: Sequence[Incident]) -> Incident:
    """The group as one incident, for whoever tells people of incidents: its id and sentence are the group's, severity
    and score the worst of its incidents (any order, at least one). Its symbol is the market."""
    worst = max(incidents, key=lambda i: (i.score, i.incident_id))
    first = min(incidents, key=lambda i: (i.onset_ns, i.incident_id))
    venues = {i.venue for i in incidents}
    return Incident(
        incident_id=group.group_id,
        category="price",
        venue=first.venue if len(venues) == 1 else group.market,
        symbol=group.market,
        state="open" if group.state == "open" else "resolved",
        severity=worst.severity,
        score=worst.score,
        onset=first.onset,
        onset_ns=first.onset_ns,
        updated_ns=max(group.last_ns, *(i.updated_ns for i in incidents)),
        direction=group.direction,
        peak_change_pct=group.move_pct,
        message=group.message,
        alerts=[a for i in sorted(incidents, key=lambda i: (i.onset_ns, i.incident_id)) for a in i.alerts],
        open_alerts=sum(i.open_alerts for i in incidents),
    )


def minute_of(onset_ns: int, minutes: Sequence[MarketMinute]) -> MarketMinute | None:
    """Of the minutes of a market in the order of time, the one that ended with or after what began at `onset_ns`."""
    return next((m for m in minutes if onset_ns < m.end_ns <= onset_ns + REACH_NS), None)


def view_of(venue: str, symbol: str, up: bool, minute: MarketMinute | None) -> MarketView | None:
    """What the others of its market did while the symbol was past its threshold. None where nobody can tell: no such
    minute, fewer than four active symbols, or the symbol not among those past their thresholds."""
    if minute is None or minute.active < ENOUGH_ACTIVE:
        return None
    own = [p for p in minute.past if (p.venue, p.symbol) == (venue, symbol)]
    own = [p for p in own if p.up == up] or own
    return _view(minute, own[0]) if own else None


def _view(minute: MarketMinute, own: Past) -> MarketView:
    others = minute.active - 1
    mean = (minute.sum_move - own.move) / others
    rising = minute.rising - (own.move > 0)
    falling = minute.falling - (own.move < 0)
    same, word = (rising, "rose") if own.up else (falling, "fell")
    with_it = same >= LEAST_SHARE * others and (_mean_z(minute, own) or 0.0) * (1 if own.up else -1) >= 1.0
    verdict = "the market moved with it" if with_it else "it moved alone"
    return MarketView(
        market=minute.market,
        others=others,
        rising=rising,
        falling=falling,
        market_pct=_pct(mean),
        own_pct=_pct(own.move),
        residual_pct=_pct(own.move - mean),
        residual_z=_residual_z(minute, own),
        words=f"{verdict}: {same} of {others} others in {minute.market} {word}, {_pct(mean):+.2f} % on average over 5"
        f" minutes against its {_pct(own.move):+.2f} %",
    )


def _mean_z(minute: MarketMinute, own: Past) -> float | None:
    n = minute.judged - (own.z != 0)
    return (minute.sum_z - own.z) / n / UNIT if n >= ENOUGH_ACTIVE - 1 else None


def _residual_z(minute: MarketMinute, own: Past) -> float | None:
    mean = _mean_z(minute, own)
    if mean is None or own.z == 0:
        return None
    square = (minute.sum_zz - own.z * own.z // UNIT) / (minute.judged - 1) / UNIT
    return round((own.z / UNIT - mean) / max(sqrt(max(0.0, square - mean * mean)), LEAST_SPREAD), 2)


def _pct(move: float) -> float:
    return round(100.0 * move / UNIT, 4)


def _mean_pct(minute: MarketMinute) -> float:
    return _pct(minute.sum_move / minute.active)


def _members(minute: MarketMinute, known: Sequence[Member]) -> list[Member]:
    names = {(m.venue, m.symbol) for m in known}
    found: dict[tuple[str, str], Member] = {}
    for past in minute.past:
        if (past.venue, past.symbol) not in names:
            way: Direction = "rise" if past.up else "drop"
            found.setdefault(
                (past.venue, past.symbol), Member(past.venue, past.symbol, way, minute.end_ns, _pct(past.move))
            )
    return list(found.values())


def _message(group: Group) -> str:
    """One sentence: how many of how many, how far, who."""
    word = "fell" if group.direction == "drop" else "rose"
    names = [m.symbol for m in group.members]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (
        f"{group.market} {word} as a whole: {group.past} of {group.active} active symbols past their own thresholds"
        f" within 2 minutes, {group.move_pct:+.2f} % on average at its worst; so far {', '.join(names[:10])}{more}."
    )
