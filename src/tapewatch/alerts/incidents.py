"""Incidents: what people are notified of, folded from the newest revisions of their alerts. Pure."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from tapewatch.model.alerts import SEVERITIES, Alert, Category, Incident
from tapewatch.model.errors import InputError

Event = Literal["opened", "worsened", "resolved"]

WORSE_BY = 1.5  # a peak this many times the one that people were told last is news
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}
_OPEN = frozenset({"firing", "recovering"})
_OVER: tuple[Category, ...] = ("volume", "price", "data_quality")


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people must be told: what happened to the incident, and the alert revision that made it so.

    `seq` is the number of that revision in the change log; `incident` is the incident as it stood right after it.
    """

    seq: int
    event: Event
    incident: Incident
    alert: Alert


def fold(alerts: Sequence[Alert]) -> Incident:
    """Fold the newest revisions of an incident's alerts (any order, one revision an alert) into the incident.

    - open while an alert is firing or recovering; retracted when all are; resolved otherwise;
    - `severity` and `score` are the highest of all its alerts, `onset` the earliest;
    - direction and message are the lead's: the most severe alert that was not retracted (of all, when all were); equal
      ones by score, then size of the peak, then the earlier onset;
    - `category` is data_quality where the alerts are; else price where one that counts is about prices, else volume;
    - `peak_change_pct` is the farthest that any alert of the lead's direction that counts went.

    An alert's severity and score are taken to be the highest that it has reached so far. Raises InputError for no
    alerts or for alerts of several incidents. O(n log n).
    """
    if len({alert.incident_id for alert in alerts}) != 1:
        raise InputError(f"cannot fold {len(alerts)} alerts: one incident's are needed, and at least one")
    members = sorted(alerts, key=lambda a: (a.onset_ns, a.onset_k, a.alert_id))
    counting = [a for a in members if a.state != "retracted"] or members
    lead = max(counting, key=_weight)
    first = members[0]
    open_alerts = sum(a.state in _OPEN for a in members)
    gone = all(a.state == "retracted" for a in members)
    return Incident(
        incident_id=first.incident_id,
        category=max((a.category for a in counting), key=_OVER.index),
        venue=first.venue,
        symbol=first.symbol,
        state="open" if open_alerts else "retracted" if gone else "resolved",
        severity=max((a.severity for a in members), key=_RANK.__getitem__),
        score=max(a.score for a in members),
        onset=first.onset,
        onset_ns=first.onset_ns,
        updated_ns=max(a.ts_event_ns for a in members),
        direction=lead.direction,
        peak_change_pct=_peak(lead, counting),
        message=lead.message,
        alerts=[a.alert_id for a in members],
        open_alerts=open_alerts,
    )


def event(told: Incident | None, after: Incident) -> Event | None:
    """What people must be told when the incident is `after` and the last that they were told of it was `told`.

    `told` is the incident as it stood at the last event (None: never told), not the one just before `after`: many small
    steps, each too small to be news, add up. None means no news.

    - opened: never told and not already withdrawn (one that ended within a single step is still told), or open again;
    - resolved: was told as open, now resolved or retracted (`after.state` tells which);
    - worsened: a higher severity band, or a peak at least `WORSE_BY` times the told one, or as large as that in the
      other direction.
    """
    if told is None:
        return None if after.state == "retracted" else "opened"
    if after.state != "open":
        return "resolved" if told.state == "open" else None
    if told.state != "open":
        return "opened"
    if _RANK[after.severity] > _RANK[told.severity]:
        return "worsened"
    before, now = abs(told.peak_change_pct), abs(after.peak_change_pct)
    return "worsened" if now > before and now >= WORSE_BY * before else None


def _weight(alert: Alert) -> tuple[int, float, float, int, str]:
    # The alert_id makes the choice total: the fold must not depend on the order in which alerts are read.
    return _RANK[alert.severity], alert.score, abs(alert.peak_change_pct), -alert.onset_ns, alert.alert_id


def _peak(lead: Alert, counting: Sequence[Alert]) -> float:
    if lead.direction == "none":
        return lead.peak_change_pct
    peaks = [a.peak_change_pct for a in counting if a.direction == lead.direction]
    return min(peaks) if lead.direction == "drop" else max(peaks)
