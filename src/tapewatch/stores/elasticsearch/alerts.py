"""Alerts, their signals and incidents in Elasticsearch."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from elasticsearch import Elasticsearch

from tapewatch.alerts.incidents import fold
from tapewatch.model.alerts import CRITICAL_AT, HIGH_AT, OPENS_AT, Alert, Incident
from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.model.ids import incident_id
from tapewatch.model.signals import Signal
from tapewatch.stores.elasticsearch.bulk import BulkWriter, Operation, Refresh
from tapewatch.stores.elasticsearch.indices import ALERTS, INCIDENTS, SIGNALS, month_of
from tapewatch.stores.elasticsearch.search import Document, Filters, among, equal, read_by_id, read_page
from tapewatch.stores.port import AlertQuery
from tapewatch.stores.query import check_signal_query

ReadChanges = Callable[[int, int], Sequence[tuple[int, Alert | None]]]
_EDGES: dict[str, dict[str, float]] = {
    "low": {"lt": OPENS_AT},
    "medium": {"gte": OPENS_AT, "lt": HIGH_AT},
    "high": {"gte": HIGH_AT, "lt": CRITICAL_AT},
    "critical": {"gte": CRITICAL_AT},
}
"""The scores of each severity, as `severity_of` draws them."""
_ATTEMPTS = 20  # of writing an incident that others write as well
_encode = msgspec.json.Encoder().encode


class _IncidentDocument(Incident, frozen=True, kw_only=True):
    """An incident as it is kept: with the rules and types of its alerts, so that it can be found by them."""

    rules: list[str]
    types: list[str]


class ElasticAlertStore:
    """An `AlertStore` on Elasticsearch. A document is found within the indices' refresh interval.

    An alert is one document, its revision the document's external version: whoever writes whatever again, in whatever
    order, the newest revision stays. Incidents are folded again from the alerts themselves (read by id, so as of now)
    in each call that touches one, also where the call changes no alert: a call that died in between is repaired by its
    repeat. Numbers without holes for every revision are not to be had here, where a search is always a little behind
    and no two documents change together: `changes` reads them from elsewhere (the topic of alerts is such a log).
    """

    def __init__(
        self,
        client: Elasticsearch,
        writer: BulkWriter,
        *,
        prefix: str = "",
        refresh: Refresh = "false",
        changes: ReadChanges | None = None,
    ) -> None:
        """`ensure_indices` must have run. `refresh` "wait_for" returns only when what was written is found."""
        self._client, self._writer, self._refresh = client, writer, refresh
        self._changes = changes
        self._alerts, self._incidents = f"{prefix}{ALERTS}", f"{prefix}{INCIDENTS}"
        self._signals = f"{prefix}{SIGNALS}"

    def upsert(self, alerts: Sequence[Alert], signals: Sequence[Signal]) -> list[Alert]:
        """As the port says, but that a crash may leave the incidents, or the later ones of the alerts, to the repeat.

        Documents that Elasticsearch refuses go to the writer's `refused`, and are not among what took effect.
        """
        writes = [self._signal_write(signal) for signal in signals]
        writes += [Operation(self._alerts, alert.alert_id, _encode(alert), version=alert.revision) for alert in alerts]
        fates = self._writer.write(writes, self._refresh)
        effects = [alert for alert, fate in zip(alerts, fates[len(signals) :], strict=True) if fate == "written"]
        if alerts:
            self._fold(alerts, {alert.alert_id: alert for alert in effects})
        return effects

    def page(self, query: AlertQuery) -> list[Alert]:
        """As the port says; a limit above 5,000 is read from one point in time."""
        filters = equal(incident_id=query.incident_id, alert_id=query.alert_id)
        filters += _facets(query) + among(severity=query.severity, alert_type=query.alert_type)
        found = read_page(self._client, self._alerts, filters, "onset_ns", "alert_id", query)
        return [msgspec.convert(document, Alert) for document in found]

    def signals(self, query: AlertQuery) -> list[Signal]:
        """As the port says; InputError for filters on what signals have not got (state, category)."""
        check_signal_query(query)
        filters = equal(alert_id=query.alert_id) + _facets(query) + _scores(query.severity)
        if query.incident_id is not None:
            filters += among(alert_id=self._members(query.incident_id))
        found = read_page(self._client, f"{self._signals}-*", filters, "ts_event_ns", "signal_id", query)
        return [msgspec.convert(document, Signal) for document in found]

    def incidents(self, query: AlertQuery) -> list[Incident]:
        """As the port says; `rule`, `alert_type` and `alert_id` ask for incidents that have such an alert."""
        filters = equal(incident_id=query.incident_id, alerts=query.alert_id, venue=query.venue, symbol=query.symbol)
        filters += among(rules=query.rule, types=query.alert_type, severity=query.severity, direction=query.direction)
        filters += among(state=query.state, category=query.category)
        found = read_page(self._client, self._incidents, filters, "onset_ns", "incident_id", query)
        return [msgspec.convert(document, Incident) for document in found]

    def changes(self, after: int, limit: int) -> Sequence[tuple[int, Alert | None]]:
        """What the reader that was given says; GiveUpError where none was."""
        if self._changes is None:
            raise GiveUpError("Elasticsearch keeps no numbered log of changes: read the topic of alerts")
        return self._changes(after, limit)

    def _signal_write(self, signal: Signal) -> Operation:
        index = f"{self._signals}-{month_of(signal.ts_event_ns)}"
        return Operation(index, signal.signal_id, _encode(signal), create=True)

    def _members(self, incident_id: str) -> list[str]:
        found = read_by_id(self._client, self._incidents, [incident_id]).get(incident_id)
        return [] if found is None else list(found["_source"]["alerts"])

    def _fold(self, alerts: Sequence[Alert], written: Mapping[str, Alert]) -> None:
        """Fold the incidents of these alerts from all their alerts; where another writer was quicker, once more.

        `written` are the newest revisions that were just written. What they opened is made without a look at what
        stands there: it is a conflict, and looked at, where something does.
        """
        added: dict[str, set[str]] = {}
        for alert in alerts:
            added.setdefault(alert.incident_id, set()).add(alert.alert_id)
        opened = {a.incident_id for a in written.values() if a.revision == 1 and _opens_its_incident(a)}
        known = written
        for _ in range(_ATTEMPTS):
            stored = read_by_id(self._client, self._incidents, [i for i in added if i not in opened])
            members = {i: ids.union(stored[i]["_source"]["alerts"] if i in stored else ()) for i, ids in added.items()}
            # Where an incident stands already, another writer may have written a newer revision than ours meanwhile.
            ours = {a: known[a] for i, ids in members.items() if i not in stored for a in ids if a in known}
            newest = self._newest(members, ours)
            writes = list(self._incident_writes(members, newest, stored))
            fates = self._writer.write(writes, self._refresh)
            lost = {write.id for write, fate in zip(writes, fates, strict=True) if fate == "conflict"}
            if not lost:
                return
            added = {name: ids for name, ids in added.items() if name in lost}
            opened, known = set(), {}
        raise RetryableError(f"incidents {sorted(added)[:3]} are being written by others")

    def _incident_writes(
        self, members: Mapping[str, set[str]], newest: Mapping[str, Alert], stored: Mapping[str, Document]
    ) -> Iterator[Operation]:
        for name, ids in members.items():
            held = [newest[alert_id] for alert_id in ids if alert_id in newest]
            if not held:  # all were refused: there is nothing to fold
                continue
            source, before = _encode(_document(held)), stored.get(name)
            if before is None:
                yield Operation(self._incidents, name, source, create=True)
            elif msgspec.json.decode(source) != before["_source"]:
                place = {"seq_no": before["_seq_no"], "primary_term": before["_primary_term"]}
                yield Operation(self._incidents, name, source, **place)

    def _newest(self, members: Mapping[str, set[str]], known: Mapping[str, Alert]) -> dict[str, Alert]:
        wanted = {alert_id for ids in members.values() for alert_id in ids}
        found = read_by_id(self._client, self._alerts, sorted(wanted - known.keys()))
        read = {alert_id: msgspec.convert(document["_source"], Alert) for alert_id, document in found.items()}
        return read | {alert_id: known[alert_id] for alert_id in wanted & known.keys()}


def _opens_its_incident(alert: Alert) -> bool:
    """Whether the incident is named by this alert's onset."""
    return alert.incident_id == incident_id(alert.venue, alert.symbol, alert.category, alert.onset_ns, alert.onset_k)


def _document(alerts: Sequence[Alert]) -> _IncidentDocument:
    incident = fold(alerts)
    rules, types = sorted({alert.rule for alert in alerts}), sorted({alert.alert_type for alert in alerts})
    return _IncidentDocument(
        rules=rules, types=types, **{name: getattr(incident, name) for name in Incident.__struct_fields__}
    )


def _facets(query: AlertQuery) -> Filters:
    """Filters by what both alerts and signals are; signals are never asked for state or category."""
    filters = equal(venue=query.venue, symbol=query.symbol)
    return filters + among(rule=query.rule, direction=query.direction, state=query.state, category=query.category)


def _scores(severities: Sequence[str] | None) -> Filters:
    """Signals of these bands: a signal has its score only."""
    if severities is None:
        return []
    ranges = [{"range": {"score": _EDGES[severity]}} for severity in severities if severity in _EDGES]
    return [{"bool": {"should": ranges, "minimum_should_match": 1}}]
