"""Inhibition: one cause, one notice. A feed that is dead or a symbol that is halted says enough; what the price seems
to do meanwhile is recorded, not announced."""

from collections.abc import Sequence

from tapewatch.model.alerts import Alert, Incident

MUTING_TYPES = ("stale_feed", "dead_feed", "halt")
EVERY_SYMBOL = "*"  # what an alert about a whole venue has for a symbol


def inhibited_by(incident: Incident, at_ns: int, quality: Sequence[Alert]) -> str | None:
    """Why a price or volume notice of what happened at `at_ns` is muted, in words fit to be shown, or None.

    Event time decides, not what is open when somebody asks: an alert covers the time from its onset to before its end,
    whether it has ended by now or not. `quality`: newest revisions of alerts that may cover it; others among them are
    ignored. Only an alert of the same venue, and of the same symbol or of all of them, mutes; a bad print never does.
    """
    if incident.category == "data_quality":
        return None
    for alert in quality:
        if (
            alert.category == "data_quality"
            and alert.alert_type in MUTING_TYPES
            and alert.venue == incident.venue
            and alert.symbol in (incident.symbol, EVERY_SYMBOL)
            and _covers(alert, at_ns)
        ):
            return f"{alert.alert_type} of {alert.symbol} on {alert.venue} since {alert.onset} (alert {alert.alert_id})"
    return None


def _covers(alert: Alert, at_ns: int) -> bool:
    if alert.state == "retracted" or at_ns < alert.onset_ns:
        return False
    return alert.state != "resolved" or at_ns < alert.ts_event_ns
