"""Inhibition: one cause, one notice. A feed that is dead or a symbol that is halted says enough; what the price seems
to do meanwhile is recorded, not announced."""

from collections.abc import Sequence

from tapewatch.model.alerts import Alert, Incident

MUTING_TYPES = frozenset({"stale_feed", "dead_feed", "halt"})
EVERY_SYMBOL = "*"  # what an alert about a whole venue has for a symbol


def inhibited_by(incident: Incident, open_alerts: Sequence[Alert]) -> str | None:
    """Why a price or volume notice is muted, in words fit to be shown, or None.

    `open_alerts`: the data-quality alerts that are firing or recovering now; others among them are ignored. Only an
    alert of the same venue, and of the same symbol or of all of them, mutes; a bad print never does.
    """
    if incident.category == "data_quality":
        return None
    for alert in open_alerts:
        if (
            alert.category == "data_quality"
            and alert.alert_type in MUTING_TYPES
            and alert.state in ("firing", "recovering")
            and alert.venue == incident.venue
            and alert.symbol in (incident.symbol, EVERY_SYMBOL)
        ):
            return f"{alert.alert_type} of {alert.symbol} on {alert.venue} since {alert.onset} (alert {alert.alert_id})"
    return None
