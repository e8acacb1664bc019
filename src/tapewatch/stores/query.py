"""What the filters of an AlertQuery mean: one definition for every adapter."""

from typing import NamedTuple

from tapewatch.model.alerts import Alert, Incident, severity_of
from tapewatch.model.errors import InputError
from tapewatch.model.market import Group
from tapewatch.model.signals import Signal
from tapewatch.stores.port import AlertQuery, GroupQuery


class Facet(NamedTuple):
    """The values that a query filters by equality; empty where the kind of item has none."""

    venue: str
    symbol: str
    category: str
    rule: str
    direction: str
    severity: str
    state: str
    alert_type: str


def alert_facet(alert: Alert) -> Facet:
    """The facet of an alert's newest revision."""
    return Facet(
        alert.venue,
        alert.symbol,
        alert.category,
        alert.rule,
        alert.direction,
        alert.severity,
        alert.state,
        alert.alert_type,
    )


def signal_facet(signal: Signal) -> Facet:
    """The facet of a signal; its severity is the band of its score."""
    severity = severity_of(signal.score)
    return Facet(signal.venue, signal.symbol, "", signal.rule, signal.direction, severity, "", "")


def incident_facet(incident: Incident) -> Facet:
    """The facet of an incident; its rules and types are those of its alerts and stand with them."""
    return Facet(
        incident.venue,
        incident.symbol,
        incident.category,
        "",
        incident.direction,
        incident.severity,
        incident.state,
        "",
    )


def facet_matches(query: AlertQuery, facet: Facet) -> bool:
    """Whether the facet passes the query's filters on venue, symbol, category, rule, direction, severity, state, type.

    A filter on a value that the kind of item has not got is not judged here.
    """
    return (
        (query.venue is None or query.venue == facet.venue)
        and (query.symbol is None or query.symbol == facet.symbol)
        and _allows(query.category, facet.category)
        and _allows(query.rule, facet.rule)
        and _allows(query.direction, facet.direction)
        and _allows(query.severity, facet.severity)
        and _allows(query.state, facet.state)
        and _allows(query.alert_type, facet.alert_type)
    )


def check_signal_query(query: AlertQuery) -> None:
    """Raise InputError where the query filters by what a signal has not got, instead of a page that looks complete."""
    for name in ("state", "category", "alert_type"):
        if getattr(query, name) is not None:
            raise InputError(f"signals have no {name}: filter alerts by {name} and take their signals by alert_id")


def _allows(wanted: list[str] | None, value: str) -> bool:
    return wanted is None or value == "" or value in wanted


def group_matches(query: GroupQuery, group: Group) -> bool:
    """Whether the group passes the query's filters; its cursor, order and limit are not looked at."""
    return (
        query.group_id in {None, group.group_id}
        and query.market in {None, group.market}
        and query.state in {None, group.state}
        and (query.from_ns is None or query.from_ns <= group.opened_ns)
        and (query.to_ns is None or group.opened_ns < query.to_ns)
    )
