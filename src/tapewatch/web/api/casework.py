"""What people may do with a case, as pure steps: from one version to the next, with the audit entry that says so."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from tapewatch.model.alerts import AuditEntry, Case, Comment, Disposition
from tapewatch.model.signals import Detail
from tapewatch.web.api.problems import ProblemError

MAX_COMMENTS = 1_000


@dataclass(frozen=True, slots=True)
class Deed:
    """Who did something, as whom (a person behind a shared key), and when."""

    actor: str
    author: str
    at_ns: int


Step = Callable[[Case, Deed], tuple[Case, AuditEntry]]


def acknowledge(case: Case, deed: Deed) -> tuple[Case, AuditEntry]:
    """Somebody has seen it. A second acknowledgement is recorded; the first one stays the case's."""
    _refuse_closed(case)
    changed = replace(case, status="acknowledged")
    if case.acknowledged_by is None:
        changed = replace(changed, acknowledged_by=deed.author, acknowledged_at_ns=deed.at_ns)
    return _done(changed, deed, "acknowledge", {})


def assign(assignee: str | None) -> Step:
    """It is somebody's (or, with None, nobody's) to look at."""

    def step(case: Case, deed: Deed) -> tuple[Case, AuditEntry]:
        _refuse_closed(case)
        detail: dict[str, Detail] = {"assignee": assignee, "before": case.assignee}
        return _done(replace(case, assignee=assignee), deed, "assign", detail)

    return step


def comment(text: str) -> Step:
    """A note; closed cases take notes too."""

    def step(case: Case, deed: Deed) -> tuple[Case, AuditEntry]:
        return _done(_with_comment(case, text, deed), deed, "comment", {"text": text})

    return step


def close(disposition: Disposition, text: str | None) -> Step:
    """It is settled, and as what."""

    def step(case: Case, deed: Deed) -> tuple[Case, AuditEntry]:
        _refuse_closed(case)
        if text is not None:
            case = _with_comment(case, text, deed)
        closed = replace(case, status="closed", disposition=disposition, closed_by=deed.author, closed_at_ns=deed.at_ns)
        return _done(closed, deed, "close", {"disposition": disposition, "text": text})

    return step


def reopen(case: Case, deed: Deed) -> tuple[Case, AuditEntry]:
    """It was not settled after all. What it had been closed as stays in the audit."""
    if case.status != "closed":
        raise ProblemError(409, f"the case of alert {case.alert_id} is not closed")
    detail: dict[str, Detail] = {"disposition_before": case.disposition, "closed_by_before": case.closed_by}
    status = "open" if case.acknowledged_by is None else "acknowledged"
    opened = replace(case, status=status, disposition=None, closed_by=None, closed_at_ns=None)
    return _done(opened, deed, "reopen", detail)


def _done(case: Case, deed: Deed, action: str, detail: dict[str, Detail]) -> tuple[Case, AuditEntry]:
    if deed.author != deed.actor:
        detail = detail | {"author": deed.author}
    entry = AuditEntry(seq=0, at_ns=deed.at_ns, actor=deed.actor, action=action, subject=case.alert_id, detail=detail)
    return replace(case, version=case.version + 1), entry


def _with_comment(case: Case, text: str, deed: Deed) -> Case:
    if len(case.comments) >= MAX_COMMENTS:
        raise ProblemError(409, f"the case of alert {case.alert_id} has {MAX_COMMENTS} comments, which is the limit")
    return replace(case, comments=[*case.comments, Comment(author=deed.author, text=text, at_ns=deed.at_ns)])


def _refuse_closed(case: Case) -> None:
    if case.status == "closed":
        raise ProblemError(409, f"the case of alert {case.alert_id} is closed; reopen it first")
