"""Joined when read: which group an incident belongs to, and whether its market moved with it."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from tapewatch.alerts.groups import LONGEST_NS, OPEN_NS, REACH_NS, group_of, minute_of, view_of
from tapewatch.detection.markets import market_of
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.market import NO_MARKET, Group, MarketView
from tapewatch.stores.port import AlertQuery, AlertStore, GroupQuery, GroupStore

T = TypeVar("T", Alert, Incident)
_GROUPS = 1_000  # that began in one market within the time of a page
_MEMBERS = 1_000


class MarketReader:
    """Reads a group store for alerts or incidents: two queries a market, whatever their number."""

    def __init__(self, store: GroupStore) -> None:
        self._store = store

    def group(self, incident: Incident) -> Group | None:
        """The group that the incident belongs to, None where it belongs to none."""
        return self.groups([incident]).get(incident.incident_id)

    def groups(self, items: Sequence[T]) -> dict[str, Group]:
        """The groups of those that belong to one, by incident id. An alert is asked for as if its incident began with
        it."""
        found: dict[str, Group] = {}
        for market, own in _by_market(items):
            query = GroupQuery(
                market=market,
                from_ns=own[0].onset_ns - LONGEST_NS - OPEN_NS,
                to_ns=own[-1].onset_ns + REACH_NS + 1,
                newest_first=False,
                limit=_GROUPS,
            )
            groups = self._store.groups(query)
            joined = ((i.incident_id, group_of(i, market, groups)) for i in own)
            found |= {name: group for name, group in joined if group is not None}
        return found

    def views(self, items: Sequence[T]) -> list[MarketView | None]:
        """For each, in order, what the others of its market did when its symbol passed its threshold; None where nobody
        can tell."""
        found: dict[int, MarketView | None] = {}
        for market, own in _by_market([i for i in items if i.category != "data_quality"]):
            minutes = self._store.minutes(market, own[0].onset_ns, own[-1].onset_ns + REACH_NS + 1)
            for item in own:
                minute = minute_of(item.onset_ns, minutes)
                found[id(item)] = view_of(item.venue, item.symbol, item.direction == "rise", minute)
        return [found.get(id(item)) for item in items]

    def told(self, alerts: Sequence[Alert]) -> list[Alert]:
        """The alerts as they are shown: with what their markets did, where that is known, in place of what the engine,
        which looks at one symbol at a time, had to leave open. What is stored stays as it is."""
        return [_with(alert, view) for alert, view in zip(alerts, self.views(alerts), strict=True)]


def _by_market(items: Sequence[T]) -> Iterator[tuple[str, list[T]]]:
    markets: dict[str, list[T]] = {}
    for item in items:
        markets.setdefault(market_of(item.venue, item.symbol), []).append(item)
    for market, own in markets.items():
        yield market, sorted(own, key=lambda i: i.onset_ns)


def _with(alert: Alert, view: MarketView | None) -> Alert:
    if view is None:
        return alert
    return msgspec.structs.replace(alert, market=view.words, message=alert.message.replace(NO_MARKET, view.words))


def told_incident(incident: Incident, view: MarketView | None) -> Incident:
    """The same for an incident's sentence."""
    if view is None:
        return incident
    return msgspec.structs.replace(incident, message=incident.message.replace(NO_MARKET, view.words))


def group_members(alerts: AlertStore, group: Group) -> list[tuple[Incident, Alert]]:
    """The incidents of a group, oldest first, each with the worst of its alerts; at most 1,000 a venue."""
    found: list[tuple[Incident, Alert]] = []
    for venue in sorted({m.venue for m in group.members}):
        query = AlertQuery(
            venue=venue, from_ns=group.from_ns, to_ns=group.until_ns + 1, newest_first=False, limit=_MEMBERS
        )
        for incident in alerts.incidents(query):
            if group_of(incident, market_of(venue, incident.symbol), [group]) is None:
                continue
            own = alerts.page(AlertQuery(incident_id=incident.incident_id))
            if own:
                found.append((incident, max(own, key=lambda a: (a.score, a.alert_id))))
    return found
