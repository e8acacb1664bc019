"""What people are told of moves of whole markets; the same embedded and on the cluster."""

from collections.abc import Mapping, Sequence

from tapewatch.alerts.groups import incident_for
from tapewatch.detection.markets import market_of
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.market import ENOUGH_ACTIVE, Group
from tapewatch.notify.port import Notice
from tapewatch.notify.settings import link_to

Members = Sequence[tuple[Incident, Alert]]


def weight(alert: Alert) -> tuple[bool, float, str]:
    """The worst alert has the most: one that was retracted only where none stands."""
    return alert.state != "retracted", alert.score, alert.alert_id


def group_notices(group: Group, members: Members, link: str | None) -> list[Notice]:
    """The beginning, which the ledger drops if it was told, and the end where it has come. At least one member."""
    incident = incident_for(group, [i for i, _ in members])
    worst = max((a for _, a in members), key=weight)
    at = link_to(link, group.group_id, worst.alert_id)
    begin = Notice(event="opened", incident=incident, alert=worst, link=at, group=group)
    end = Notice(event="resolved", incident=incident, alert=worst, link=at, group=group)
    return [begin, end] if group.state == "closed" else [begin]


def may_be_grouped(notice: Notice, market_ns: int, active: Mapping[str, int]) -> bool:
    """Whether a group may still come for it: its market's minute is not over (`market_ns`: up to when they are), and
    enough symbols are active."""
    if notice.event != "opened" or notice.incident.category == "data_quality":
        return False
    market = market_of(notice.incident.venue, notice.incident.symbol)
    return market_ns <= notice.alert.ts_event_ns and active.get(market, 0) >= ENOUGH_ACTIVE
