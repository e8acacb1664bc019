"""Alerts, signals, incidents and the change log in memory."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from tapewatch.alerts.incidents import News, event, fold
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.signals import Signal
from tapewatch.stores.port import AlertQuery
from tapewatch.stores.query import alert_facet, check_signal_query, facet_matches, incident_facet, signal_facet

T = TypeVar("T")


class MemoryAlertStore:
    """An `AlertStore` in this process's memory; a page costs a sort of all that match."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alerts: dict[str, Alert] = {}
        self._signals: dict[str, Signal] = {}
        self._members: dict[str, set[str]] = {}
        self._incidents: dict[str, Incident] = {}
        self._told: dict[str, Incident] = {}
        self._changes: list[tuple[int, Alert]] = []
        self._news: list[News] = []

    def upsert(self, alerts: Sequence[Alert], signals: Sequence[Signal]) -> list[Alert]:
        """As the port says."""
        with self._lock:
            for signal in signals:
                self._signals.setdefault(signal.signal_id, signal)
            return [alert for alert in alerts if self._take(alert)]

    def page(self, query: AlertQuery) -> list[Alert]:
        """As the port says."""
        with self._lock:
            hits = [
                (alert.onset_ns, alert.alert_id, alert)
                for alert in self._alerts.values()
                if facet_matches(query, alert_facet(alert))
                and query.incident_id in {None, alert.incident_id}
                and query.alert_id in {None, alert.alert_id}
            ]
        return _page(hits, query)

    def signals(self, query: AlertQuery) -> list[Signal]:
        """As the port says; InputError for filters on what signals have not got (state, category)."""
        check_signal_query(query)
        with self._lock:
            members = None if query.incident_id is None else self._members.get(query.incident_id, set())
            hits = [
                (signal.ts_event_ns, signal.signal_id, signal)
                for signal in self._signals.values()
                if facet_matches(query, signal_facet(signal))
                and (members is None or signal.alert_id in members)
                and query.alert_id in {None, signal.alert_id}
            ]
        return _page(hits, query)

    def incidents(self, query: AlertQuery) -> list[Incident]:
        """As the port says; `rule`, `alert_type` and `alert_id` ask for incidents that have such an alert."""
        with self._lock:
            hits = [
                (incident.onset_ns, incident.incident_id, incident)
                for incident in self._incidents.values()
                if facet_matches(query, incident_facet(incident))
                and query.incident_id in {None, incident.incident_id}
                and (query.alert_id is None or query.alert_id in incident.alerts)
                and (query.rule is None or any(self._alerts[a].rule in query.rule for a in incident.alerts))
                and (
                    query.alert_type is None
                    or any(self._alerts[a].alert_type in query.alert_type for a in incident.alerts)
                )
            ]
        return _page(hits, query)

    def changes(self, after: int, limit: int) -> list[tuple[int, Alert]]:
        """As the port says; nothing is ever removed here."""
        with self._lock:
            return self._changes[max(after, 0) : max(after, 0) + limit]

    def news(self, after: int, limit: int) -> list[News]:
        """What people must be told, in order: the events of incidents among the changes after number `after`."""
        with self._lock:
            return [item for item in self._news if item.seq > after][:limit]

    def _take(self, alert: Alert) -> bool:
        stored = self._alerts.get(alert.alert_id)
        if stored is not None and stored.revision >= alert.revision:
            return False
        self._alerts[alert.alert_id] = alert
        seq = len(self._changes) + 1
        self._changes.append((seq, alert))
        members = self._members.setdefault(alert.incident_id, set())
        members.add(alert.alert_id)
        incident = self._incidents[alert.incident_id] = fold([self._alerts[a] for a in members])
        what = event(self._told.get(incident.incident_id), incident)
        if what:
            self._told[incident.incident_id] = incident
            self._news.append(News(seq=seq, event=what, incident=incident, alert=alert))
        return True


def _page(hits: Iterable[tuple[int, str, T]], query: AlertQuery) -> list[T]:
    holds = _in_range(query)
    wanted = [hit for hit in hits if holds(hit[0], hit[1])]
    wanted.sort(key=lambda hit: hit[:2], reverse=query.newest_first)
    return [item for _, _, item in wanted[: max(query.limit, 0)]]


def _in_range(query: AlertQuery) -> Callable[[int, str], bool]:
    def holds(at_ns: int, name: str) -> bool:
        if query.from_ns is not None and at_ns < query.from_ns:
            return False
        if query.to_ns is not None and at_ns >= query.to_ns:
            return False
        if query.after is None:
            return True
        cursor = tuple(query.after)
        return (at_ns, name) < cursor if query.newest_first else (at_ns, name) > cursor

    return holds
