"""What a notice says, once for all channels. Symbols and texts come from feeds: hostile until cleaned here."""

import unicodedata

from tapewatch.model.alerts import Alert, traded_of
from tapewatch.model.market import Group
from tapewatch.model.prices import price_text
from tapewatch.model.times import format_rfc3339
from tapewatch.notify.port import Notice

MEMBERS_SHOWN = 25
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})  # controls, bidi overrides, zero width, line separators


def clean(text: str, limit: int = 1_000) -> str:
    """One line without control or invisible characters, of at most `limit` characters.

    So that nothing from a feed can break a header, drive a terminal, or make a text read otherwise than it is.

    >>> clean("BTC\\r\\nBcc: x\\x1b[2J")
    'BTC Bcc: x[2J'
    """
    spaced = "".join(" " if c.isspace() else c for c in text[: limit * 4])
    line = " ".join("".join(c for c in spaced if unicodedata.category(c) not in _INVISIBLE).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def subject(notice: Notice) -> str:
    """The notice in one clean line of at most 200 characters."""
    return clean(notice.subject, 200)


def facts(notice: Notice) -> list[tuple[str, str]]:
    """(label, value) of what a person decides by, cleaned; what is unknown is left out."""
    if notice.group is not None:
        return _group_facts(notice, notice.group)
    incident, alert = notice.incident, notice.alert
    found = [
        ("Severity", f"{incident.severity} (score {incident.score:.0f})"),
        ("Symbol", f"{incident.symbol} on {incident.venue}"),
        ("State", _state(notice)),
        ("Began", incident.onset),
        ("Event time", f"{alert.timestamp} ({alert.local_time}, {alert.phase})"),
        (
            "Price",
            f"{price_text(alert.price)} {alert.currency}, before {price_text(alert.price_before)},"
            f" worst {price_text(alert.price_extreme)}",
        ),
        ("Change", f"{alert.change_pct:+.2f} % now, {alert.peak_change_pct:+.2f} % at its worst"),
        (
            "Rule",
            f"{alert.rule} ({alert.statistic} {alert.value:.4g} against {alert.threshold:.4g}: {alert.margin:.2f} x)",
        ),
        ("Market", alert.market),
        ("Baseline", _baseline(alert)),
        ("Last ticks", ", ".join(f"{at[11:19]} {price_text(close)}" for at, close in alert.last_ticks[-4:]) or "none"),
        ("Alerts", f"{len(incident.alerts)}, {incident.open_alerts} of them open"),
        ("Incident", incident.incident_id),
        ("Alert", f"{alert.alert_id} revision {alert.revision}"),
    ]
    if alert.timestamp_detection:
        found.insert(5, ("Detected", alert.timestamp_detection))
    if (traded := traded_of(alert)) is not None:
        found.insert(-4, ("Traded", traded))
    return [(label, clean(value, 500)) for label, value in found]


def _baseline(alert: Alert) -> str:
    health = alert.health
    holes = f", {health.holes} holes" if health.holes else ""
    return f"{health.phase_bars} bars of this phase, scale from {health.source.replace('_', ' ')}{holes}"


def _group_facts(notice: Notice, group: Group) -> list[tuple[str, str]]:
    incident, alert = notice.incident, notice.alert
    listed = [f"{m.symbol} ({m.venue}) {m.direction} {m.move_pct:+.2f} %" for m in group.members[:MEMBERS_SHOWN]]
    if len(group.members) > MEMBERS_SHOWN:
        listed.append(f"and {len(group.members) - MEMBERS_SHOWN} more")
    found = [
        ("Severity", f"{incident.severity} (score {incident.score:.0f}), of the worst of its alerts"),
        ("Market", group.market),
        ("State", f"{group.state}, joined by what begins before {format_rfc3339(group.until_ns)}"),
        ("Began", incident.onset),
        ("Recognised", f"{format_rfc3339(group.opened_ns)}: {group.past} of {group.active} active symbols"),
        ("Change", f"{group.move_pct:+.2f} % on average over 5 minutes, at its worst"),
        ("Members", "; ".join(listed)),
        ("Alerts", f"{len(incident.alerts)}, {incident.open_alerts} of them open"),
        ("Worst", alert.message),
        ("Group", group.group_id),
    ]
    return [(label, clean(value, 2_000)) for label, value in found]


def _state(notice: Notice) -> str:
    reason = notice.alert.reason
    because = f" ({reason.replace('_', ' ')})" if reason and notice.incident.state != "open" else ""
    provisional = ", provisional" if notice.incident.state == "open" else ", final"
    return f"{notice.incident.state}{because}{provisional}"


def ended_at(notice: Notice) -> str | None:
    """RFC 3339 time at which the incident ended, None while it is open."""
    return None if notice.incident.state == "open" else format_rfc3339(notice.incident.updated_ns)


def plain_text(notice: Notice) -> str:
    """The whole notice as plain text: the sentence, the facts, where to look."""
    rows = facts(notice)
    width = max(len(label) for label, _ in rows)
    lines = [clean(notice.incident.message), "", *(f"{label:<{width}}  {value}" for label, value in rows)]
    if notice.link:
        lines += ["", clean(notice.link)]
    return "\n".join(lines) + "\n"
