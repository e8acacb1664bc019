"""Alerts, signals, incidents and the change log in SQLite."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence

import msgspec

from tapewatch.alerts.incidents import Event, News, event, fold
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.signals import Signal
from tapewatch.stores.port import AlertQuery
from tapewatch.stores.query import Facet, alert_facet, check_signal_query, incident_facet, signal_facet
from tapewatch.stores.sqlite.connection import Database
from tapewatch.stores.sqlite.paging import ALERTS, INCIDENTS, SIGNALS, Condition, class_ids, read_page

_alert = msgspec.json.Decoder(Alert)
_signal = msgspec.json.Decoder(Signal)
_incident = msgspec.json.Decoder(Incident)
_encode = msgspec.json.Encoder().encode

ClassCache = dict[tuple[str, Facet], int]
_Change = tuple[bytes, Event | None, bytes | None, int]


class SqliteAlertStore:
    """An `AlertStore` on one SQLite file. `now` gives the wall clock in ns: what retention measures age by.

    A page of 100 out of a million alerts costs a few milliseconds under any filters (see `paging`).
    """

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._db = database
        self._now = now

    def upsert(self, alerts: Sequence[Alert], signals: Sequence[Signal]) -> list[Alert]:
        """As the port says, all in one transaction, the incidents and the news with it."""
        stored_ns = self._now()
        with self._db.write() as db:
            cache: ClassCache = {}
            _write_signals(db, signals, stored_ns, cache)
            effects = _effects(db, alerts)
            if effects:
                newest = {alert.alert_id: alert for alert in effects}
                _write_changes(db, effects, stored_ns, cache)
                _write_alerts(db, newest.values(), cache)
            return effects

    def page(self, query: AlertQuery) -> list[Alert]:
        """As the port says."""
        extra = []
        if query.alert_id is not None:
            extra.append(Condition("alert_id = ?", (query.alert_id,), selective=True))
        if query.incident_id is not None:
            extra.append(Condition("incident_id = ?", (query.incident_id,), selective=True))
        with self._db.read() as db:
            return [_alert.decode(payload) for payload in read_page(db, ALERTS, query, extra)]

    def signals(self, query: AlertQuery) -> list[Signal]:
        """As the port says; InputError for filters on what signals have not got (state, category)."""
        check_signal_query(query)
        extra = []
        if query.alert_id is not None:
            extra.append(Condition("alert_id = ?", (query.alert_id,), selective=True))
        if query.incident_id is not None:
            members = "alert_id IN (SELECT alert_id FROM alerts WHERE incident_id = ?)"
            extra.append(Condition(members, (query.incident_id,), selective=True))
        with self._db.read() as db:
            return [_signal.decode(payload) for payload in read_page(db, SIGNALS, query, extra)]

    def incidents(self, query: AlertQuery) -> list[Incident]:
        """As the port says; `rule`, `alert_type` and `alert_id` ask for incidents that have such an alert.

        A filter by rule or type looks at the alerts of each candidate: where few match, it reads many.
        """
        extra = []
        if query.incident_id is not None:
            extra.append(Condition("incident_id = ?", (query.incident_id,), selective=True))
        if query.alert_id is not None:
            member = "incident_id = (SELECT incident_id FROM alerts WHERE alert_id = ?)"
            extra.append(Condition(member, (query.alert_id,), selective=True))
        for column, wanted in (("rule", query.rule), ("alert_type", query.alert_type)):
            if wanted is not None:
                has_such = (
                    f"EXISTS (SELECT 1 FROM alerts a JOIN classes c ON c.class_id = a.class_id AND c.{column}"  # noqa: S608
                    " IN (SELECT value FROM json_each(?)) WHERE a.incident_id = incidents.incident_id)"  # two constants
                )
                extra.append(Condition(has_such, (_encode(wanted).decode(),), selective=False))
        with self._db.read() as db:
            return [_incident.decode(payload) for payload in read_page(db, INCIDENTS, query, extra)]

    def changes(self, after: int, limit: int) -> list[tuple[int, Alert]]:
        """As the port says."""
        with self._db.read() as db:
            rows = db.execute(
                "SELECT seq, payload FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", (after, max(limit, 0))
            )
            return [(seq, _alert.decode(payload)) for seq, payload in rows]

    def news(self, after: int, limit: int) -> list[News]:
        """What people must be told, in order: the events of incidents among the changes after number `after`.

        Made in the transaction that made the change, so that no crash can lose one; removed with the change log.
        """
        with self._db.read() as db:
            rows = db.execute(
                "SELECT seq, event, incident, payload FROM changes INDEXED BY changes_that_are_news"
                " WHERE event IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?",
                (after, max(limit, 0)),
            )
            return [
                News(seq=seq, event=what, incident=_incident.decode(incident), alert=_alert.decode(payload))
                for seq, what, incident, payload in rows
            ]


def _effects(db: sqlite3.Connection, alerts: Sequence[Alert]) -> list[Alert]:
    ids = _encode([alert.alert_id for alert in alerts]).decode()
    rows = db.execute(
        "SELECT alert_id, revision FROM alerts WHERE alert_id IN (SELECT value FROM json_each(?))", (ids,)
    )
    revisions: dict[str, int] = dict(rows.fetchall())
    effects = []
    for alert in alerts:
        if alert.revision > revisions.get(alert.alert_id, 0):
            revisions[alert.alert_id] = alert.revision
            effects.append(alert)
    return effects


def _write_alerts(db: sqlite3.Connection, alerts: Iterable[Alert], cache: ClassCache) -> None:
    db.executemany(
        "INSERT INTO alerts (alert_id, revision, onset_ns, class_id, symbol_class_id, incident_id, payload)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (alert_id) DO UPDATE SET revision = excluded.revision,"
        " onset_ns = excluded.onset_ns, class_id = excluded.class_id, symbol_class_id = excluded.symbol_class_id,"
        " incident_id = excluded.incident_id, payload = excluded.payload",
        (
            (
                alert.alert_id,
                alert.revision,
                alert.onset_ns,
                *class_ids(db, "alert", alert_facet(alert), cache),
                alert.incident_id,
                _encode(alert),
            )
            for alert in alerts
        ),
    )


def _write_signals(db: sqlite3.Connection, signals: Sequence[Signal], stored_ns: int, cache: ClassCache) -> None:
    db.executemany(
        "INSERT INTO signals (signal_id, ts_event_ns, class_id, symbol_class_id, alert_id, payload, stored_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (signal_id) DO NOTHING",
        (
            (
                signal.signal_id,
                signal.ts_event_ns,
                *class_ids(db, "signal", signal_facet(signal), cache),
                signal.alert_id,
                _encode(signal),
                stored_ns,
            )
            for signal in signals
        ),
    )


def _write_changes(db: sqlite3.Connection, effects: Sequence[Alert], stored_ns: int, cache: ClassCache) -> None:
    """Fold step by step, so that the news do not depend on how the revisions were cut into calls."""
    ids = _encode(list({alert.incident_id for alert in effects})).decode()
    members: dict[str, dict[str, Alert]] = {}
    for incident_id, payload in db.execute(
        "SELECT incident_id, payload FROM alerts WHERE incident_id IN (SELECT value FROM json_each(?))", (ids,)
    ):
        alert = _alert.decode(payload)
        members.setdefault(incident_id, {})[alert.alert_id] = alert
    told: dict[str, Incident] = {
        incident_id: _incident.decode(payload)
        for incident_id, payload in db.execute(
            "SELECT incident_id, told FROM incidents WHERE told IS NOT NULL"
            " AND incident_id IN (SELECT value FROM json_each(?))",
            (ids,),
        )
    }
    after: dict[str, Incident] = {}
    changes: list[_Change] = []
    for alert in effects:
        held = members.setdefault(alert.incident_id, {})
        held[alert.alert_id] = alert
        incident = after[alert.incident_id] = fold(list(held.values()))
        what = event(told.get(alert.incident_id), incident)
        if what:
            told[alert.incident_id] = incident
        changes.append((_encode(alert), what, _encode(incident) if what else None, stored_ns))
    db.executemany("INSERT INTO changes (payload, event, incident, stored_ns) VALUES (?, ?, ?, ?)", changes)
    _write_incidents(db, after, told, stored_ns, cache)


def _write_incidents(
    db: sqlite3.Connection, after: dict[str, Incident], told: dict[str, Incident], stored_ns: int, cache: ClassCache
) -> None:
    db.executemany(
        "INSERT INTO incidents (incident_id, onset_ns, class_id, symbol_class_id, is_open, payload, told, stored_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incident_id) DO UPDATE SET onset_ns = excluded.onset_ns,"
        " class_id = excluded.class_id, symbol_class_id = excluded.symbol_class_id, is_open = excluded.is_open,"
        " payload = excluded.payload, told = excluded.told, stored_ns = excluded.stored_ns",
        (
            (
                incident_id,
                incident.onset_ns,
                *class_ids(db, "incident", incident_facet(incident), cache),
                incident.state == "open",
                _encode(incident),
                _encode(told[incident_id]) if incident_id in told else None,
                stored_ns,
            )
            for incident_id, incident in after.items()
        ),
    )
