"""What the API answers with: msgspec structs, from which both the JSON and its documentation are made."""

from collections.abc import Iterable
from typing import Literal

import msgspec
from starlette.responses import Response

from tapewatch.model.alerts import Alert, AuditEntry, Case, CaseStatus, Disposition, Health, Incident
from tapewatch.model.market import Group, MarketView
from tapewatch.model.signals import Detail, Direction, Signal
from tapewatch.model.times import format_rfc3339
from tapewatch.stores.port import NoticeRecord, ReportTask, TaskStatus


class CommentView(msgspec.Struct, frozen=True, kw_only=True):
    author: str
    text: str
    at: str


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """What people did about one alert. `version` is 0 while nobody did anything; it is the ETag of the case."""

    alert_id: str
    version: int
    status: CaseStatus
    assignee: str | None
    acknowledged_by: str | None
    acknowledged_at: str | None
    disposition: Disposition | None
    closed_by: str | None
    closed_at: str | None
    comments: list[CommentView]


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """One change that a person or the configuration made; never edited, never removed."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Detail]


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of alerts. `cases` has what people did about those of them that somebody touched."""

    items: list[Alert]
    cases: dict[str, CaseView]
    next: str | None  # address of the next page; null on the last


class SignalPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[Signal]
    next: str | None


class IncidentView(Incident, frozen=True, kw_only=True):
    """An incident, the market-wide move that it is part of, and what the others of its market did at its onset."""

    group_id: str | None
    market: MarketView | None  # null: no market reference


class IncidentPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[IncidentView]
    next: str | None


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries in the order in which they were appended."""

    items: list[AuditView]
    next: str | None


class NumberedDeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be read; `number` is its place in the order of arrival."""

    number: int
    source: str
    position: int
    offset: int
    reason: str
    raw: str


class DeadLetterPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[NumberedDeadLetter]
    next: str | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is an alert: the sentence, and the numbers that it stands on."""

    sentence: str
    statistic: str
    value: float
    threshold: float
    margin: float
    score: float
    rarity_days: float | None
    calibrated: bool
    price_before: float
    price_extreme: float
    price: float
    currency: str
    notional: float | None
    notional_ratio: float | None  # against what is normal for this symbol
    phase: str
    local_time: str
    market: str
    market_move: MarketView | None  # null: no market reference
    group_id: str | None  # the market-wide move that its incident is part of
    health: Health
    provisional: bool  # it has not ended: its numbers may still change
    onset: str
    event_time: str  # of the newest revision
    detected: str | None
    last_ticks: list[tuple[str, float]]  # (time, close), oldest first


class PastIncident(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier incident of the same symbol, and how its alerts were closed (each disposition once)."""

    incident_id: str
    onset: str
    category: str
    severity: str
    direction: Direction
    peak_change_pct: float
    dispositions: list[Disposition]


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one notice: `reason` says why it was suppressed, is tried again or was given up."""

    revision: int
    channel: str
    recipient: str
    state: str
    attempts: int
    reason: str | None
    at: str


class AlertDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One alert with everything about it. `signals` are its first ones; `signals_next` leads to the others."""

    alert: Alert
    explanation: Explanation
    case: CaseView
    signals: list[Signal]
    signals_next: str | None
    history: list[PastIncident]  # the symbol's other incidents of the 30 days before, newest first, at most 100
    notices: list[NoticeView] | None  # the newest 100; null where nobody can say now who was told


class IncidentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One incident and the alerts that it joins; `alerts_next` leads to the others where there are many."""

    incident: IncidentView
    alerts: list[Alert]
    cases: dict[str, CaseView]
    alerts_next: str | None


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol of a group; `move_pct` is over the five minutes before it joined."""

    venue: str
    symbol: str
    direction: Direction
    joined: str
    move_pct: float


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """A market-wide move: alerts with one cause. `opened` is the end of the minute in which it was recognised; what
    begins before `until` joins it. `move_pct` is the farthest that the market went on average over five minutes."""

    group_id: str
    revision: int
    market: str
    state: Literal["open", "closed"]
    direction: Direction
    opened: str
    last: str
    until: str
    active: int
    past: int
    move_pct: float
    message: str
    members: list[MemberView]


class GroupPage(msgspec.Struct, frozen=True, kw_only=True):
    items: list[GroupView]
    next: str | None


class GroupDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A market-wide move and the incidents that it joins; at most 1,000 a venue."""

    group: GroupView
    incidents: list[IncidentView]


class Bar(msgspec.Struct, frozen=True):
    """One interval; `timestamp` is its start."""

    timestamp: str
    open: float
    high: float
    low: float
    close: float
    volume: float | None


class BarPage(msgspec.Struct, frozen=True, kw_only=True):
    """Bars, oldest first. A page covers a stretch of time: it may be empty and still have a `next`."""

    venue: str
    symbol: str
    interval: str
    items: list[Bar]
    next: str | None


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is made in the background. `file` is where to fetch it once `status` is done."""

    task_id: str
    status: TaskStatus
    created: str
    updated: str
    file: str | None
    file_name: str | None
    emailed: bool
    error: str | None


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The service is ready; `degraded` where something that it can do without fails its check."""

    status: str
    checks: dict[str, str | None]


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


def explain(alert: Alert, market_move: MarketView | None, group_id: str | None) -> Explanation:
    return Explanation(
        sentence=alert.message,
        statistic=alert.statistic,
        value=alert.value,
        threshold=alert.threshold,
        margin=alert.margin,
        score=alert.score,
        rarity_days=alert.rarity_days,
        calibrated=alert.calibrated,
        price_before=alert.price_before,
        price_extreme=alert.price_extreme,
        price=alert.price,
        phase=alert.phase,
        local_time=alert.local_time,
        market=alert.market,
        market_move=market_move,
        group_id=group_id,
        health=alert.health,
        currency=alert.currency,
        notional=alert.notional,
        notional_ratio=alert.notional_ratio,
        provisional=alert.state in ("firing", "recovering"),
        onset=alert.onset,
        event_time=alert.timestamp,
        detected=alert.timestamp_detection,
        last_ticks=alert.last_ticks,
    )


def past_incident(incident: Incident, cases: Iterable[Case]) -> PastIncident:
    said = dict.fromkeys(case.disposition for case in cases if case.disposition)
    return PastIncident(
        incident_id=incident.incident_id,
        onset=incident.onset,
        category=incident.category,
        severity=incident.severity,
        direction=incident.direction,
        peak_change_pct=incident.peak_change_pct,
        dispositions=list(said),
    )


def notice_view(record: NoticeRecord) -> NoticeView:
    return NoticeView(
        revision=record.revision,
        channel=record.channel,
        recipient=record.recipient,
        state=record.state,
        attempts=record.attempts,
        reason=record.reason,
        at=format_rfc3339(record.at_ns),
    )


def incident_view(incident: Incident, group: Group | None, market: MarketView | None) -> IncidentView:
    fields = {name: getattr(incident, name) for name in Incident.__struct_fields__}
    return IncidentView(**fields, group_id=group.group_id if group else None, market=market)


def group_view(group: Group) -> GroupView:
    return GroupView(
        group_id=group.group_id,
        revision=group.revision,
        market=group.market,
        state=group.state,
        direction=group.direction,
        opened=format_rfc3339(group.opened_ns),
        last=format_rfc3339(group.last_ns),
        until=format_rfc3339(group.until_ns),
        active=group.active,
        past=group.past,
        move_pct=group.move_pct,
        message=group.message,
        members=[
            MemberView(
                venue=m.venue,
                symbol=m.symbol,
                direction=m.direction,
                joined=format_rfc3339(m.joined_ns),
                move_pct=m.move_pct,
            )
            for m in group.members
        ],
    )


def _time(ts_ns: int | None) -> str | None:
    return None if ts_ns is None else format_rfc3339(ts_ns)


def case_view(case: Case) -> CaseView:
    return CaseView(
        alert_id=case.alert_id,
        version=case.version,
        status=case.status,
        assignee=case.assignee,
        acknowledged_by=case.acknowledged_by,
        acknowledged_at=_time(case.acknowledged_at_ns),
        disposition=case.disposition,
        closed_by=case.closed_by,
        closed_at=_time(case.closed_at_ns),
        comments=[CommentView(author=c.author, text=c.text, at=format_rfc3339(c.at_ns)) for c in case.comments],
    )


def audit_view(entry: AuditEntry) -> AuditView:
    return AuditView(
        seq=entry.seq,
        at=format_rfc3339(entry.at_ns),
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        detail=entry.detail,
    )


def task_view(task: ReportTask) -> TaskView:
    return TaskView(
        task_id=task.task_id,
        status=task.status,
        created=format_rfc3339(task.created_ns),
        updated=format_rfc3339(task.updated_ns),
        file=f"/v1/reports/{task.task_id}/file" if task.status == "done" else None,
        file_name=task.file_name,
        emailed=task.emailed,
        error=task.error,
    )


def json_response(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON by msgspec: a page of 100 alerts in well under a millisecond. NaN, which JSON has not, becomes null."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def page_response(page: msgspec.Struct, next_address: str | None) -> Response:
    """A page, with its `next` as a Link header too (RFC 8288)."""
    return json_response(page, headers={"Link": f'<{next_address}>; rel="next"'} if next_address else None)
