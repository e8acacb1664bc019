"""Joined when read: which group an incident belongs to, and whether its market moved with it."""

from tapewatch.alerts.groups import LONGEST_NS, OPEN_NS, REACH_NS, group_of, minute_of, view_of
from tapewatch.detection.markets import market_of
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.market import Group, MarketView
from tapewatch.stores.port import AlertQuery, AlertStore, GroupQuery, GroupStore

_GROUPS = 50  # of one market within the four hours in which one may have begun
_MEMBERS = 1_000


class MarketReader:
    """Reads a group store for one incident or alert at a time; each costs one query."""

    def __init__(self, store: GroupStore) -> None:
        self._store = store

    def group(self, incident: Incident) -> Group | None:
        """The group that the incident belongs to, None where it belongs to none."""
        market, onset_ns = market_of(incident.venue, incident.symbol), incident.onset_ns
        query = GroupQuery(
            market=market,
            from_ns=onset_ns - LONGEST_NS - OPEN_NS,
            to_ns=onset_ns + REACH_NS + 1,
            newest_first=False,
            limit=_GROUPS,
        )
        return group_of(incident, market, self._store.groups(query))

    def view(self, venue: str, symbol: str, direction: str, onset_ns: int) -> MarketView | None:
        """What the others of its market did when the symbol passed its threshold; None where nobody can tell."""
        market = market_of(venue, symbol)
        minutes = self._store.minutes(market, onset_ns, onset_ns + REACH_NS + 1)
        return view_of(venue, symbol, direction == "rise", minute_of(onset_ns, minutes))


def group_members(alerts: AlertStore, group: Group) -> list[tuple[Incident, Alert]]:
    """The incidents of a group, oldest first, each with the worst of its alerts; at most 1,000."""
    venues = sorted({m.venue for m in group.members})
    found: list[tuple[Incident, Alert]] = []
    for venue in venues:
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
