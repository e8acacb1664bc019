"""Alerts, what people did about them, and incidents: frozen messages with RFC 3339 times outside, ns inside."""

from typing import Literal

import msgspec

from tapewatch.model.signals import Detail, Direction

Category = Literal["price", "volume", "data_quality"]
State = Literal["firing", "recovering", "resolved", "retracted"]
Change = Literal["fired", "worsened", "recovering", "refired", "resolved", "retracted"]
Reason = Literal["reverted", "new_level", "session_end", "rule_changed", "bad_print", "data_returned"]
Severity = Literal["low", "medium", "high", "critical"]
Disposition = Literal["manipulation_suspected", "news", "market_move", "data_error", "expected"]
CaseStatus = Literal["open", "acknowledged", "closed"]

SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
DISPOSITIONS: tuple[Disposition, ...] = ("manipulation_suspected", "news", "market_move", "data_error", "expected")
OPENS_AT, HIGH_AT, CRITICAL_AT = 61.0, 75.0, 90.0


def severity_of(score: float) -> Severity:
    """Severity band of a score in 0..100: below 61 low, 61 medium, 75 high, 90 critical."""
    if score >= CRITICAL_AT:
        return "critical"
    if score >= HIGH_AT:
        return "high"
    return "medium" if score >= OPENS_AT else "low"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How good the baseline was that an alert was judged against."""

    bars: int  # ticks of this symbol seen so far
    phase_bars: int  # of them, in the phase of this tick
    source: str  # where the scale came from: own_phase, other_phases, group, fixed
    holes: int  # gaps in the tape of this symbol seen so far


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of one episode. `timestamp` is the event time of this revision, `onset` that of the first.

    Times inside (`*_ns`) are int64 nanoseconds UTC; bars are stamped with their start. Money is in `currency`.
    """

    alert_id: str
    revision: int
    incident_id: str
    rule: str
    rule_version: str
    detector: str
    category: Category
    venue: str
    symbol: str
    currency: str
    direction: Direction
    alert_type: str  # rise or drop; for alerts without a direction the detector's own word, e.g. stale_feed
    state: State
    change: Change  # what this revision tells
    reason: Reason | None
    severity: Severity
    score: float
    rarity_days: float | None  # R: symbol-days between such ticks; None where the rule has a fixed score
    calibrated: bool
    timestamp: str
    ts_event_ns: int
    onset: str
    onset_ns: int
    onset_k: int
    price: float  # at this revision
    price_before: float  # frozen at the onset
    price_extreme: float  # the worst so far in the alert's direction
    change_pct: float  # price against price_before
    peak_change_pct: float  # price_extreme against price_before
    volume: float | None
    notional: float | None
    notional_ratio: float | None  # against what is normal for this symbol
    phase: str  # pre, regular, post, closed, continuous
    local_time: str  # of this revision, in the venue's zone
    statistic: str
    value: float
    threshold: float
    margin: float  # |value / threshold|
    signals: int  # signals absorbed so far, this one included
    market: str  # whether the market moved with it; "no market reference" where nobody can tell
    message: str  # one sentence that explains
    details: dict[str, Detail]
    health: Health
    last_ticks: list[tuple[str, float]]  # (time, close), oldest first
    offset: int  # provenance: the record of the tape that made this revision
    timestamp_detection: str | None = None  # stamped at commit; outside ids and equality


def traded_of(alert: Alert) -> str | None:
    """The money of the revision's tick, against what is normal, in words; None where no volume is known."""
    if alert.notional is None:
        return None
    amount = f"{alert.notional:,.0f}" if alert.notional >= 100.0 else f"{alert.notional:.3g}"
    times = "" if alert.notional_ratio is None else f", {alert.notional_ratio:.1f} x normal"
    return f"{amount} {alert.currency}{times}"


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    author: str
    text: str
    at_ns: int


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What people did about one alert: a record of its own, which no later event of the engine can touch."""

    alert_id: str
    version: int  # rises by one with every change; compare-and-set
    status: CaseStatus = "open"
    assignee: str | None = None
    acknowledged_by: str | None = None
    acknowledged_at_ns: int | None = None
    disposition: Disposition | None = None
    closed_by: str | None = None
    closed_at_ns: int | None = None
    comments: list[Comment] = []


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change that a person or the configuration made; only ever appended."""

    seq: int  # position in the log, given by the store
    at_ns: int
    actor: str
    action: str  # acknowledge, assign, comment, close, reopen, rules_changed, ...
    subject: str  # alert_id, rule set, silence id
    detail: dict[str, Detail]


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one venue and symbol whose onsets lie within 15 minutes of each other: what people are notified of."""

    incident_id: str
    category: Category
    venue: str
    symbol: str
    state: Literal["open", "resolved", "retracted"]
    severity: Severity  # the highest that any of its alerts reached
    score: float
    onset: str
    onset_ns: int
    updated_ns: int
    direction: Direction  # of the alert that is the most severe
    peak_change_pct: float
    message: str  # of the alert that is the most severe
    alerts: list[str]  # alert ids, in the order of their onset
    open_alerts: int
