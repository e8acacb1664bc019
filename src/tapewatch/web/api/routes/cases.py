"""What people do about an alert: acknowledge, assign, comment, close, reopen; each leaves an audit entry."""

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tapewatch.model.alerts import Case, Disposition
from tapewatch.model.errors import CommitRefusedError
from tapewatch.web.api import casework, params
from tapewatch.web.api.casework import Deed, Step
from tapewatch.web.api.deps import Actor, ApiDeps, Deps
from tapewatch.web.api.documented import ETAG, answers
from tapewatch.web.api.messages import CaseView, case_view, json_response
from tapewatch.web.api.problems import ProblemError
from tapewatch.web.api.routes.alerts import find_alert

router = APIRouter(tags=["cases"])
_TRIES = 5
_ANSWERS = answers(CaseView, "The case as it is now.", 400, 404, 409, 412, 413, headers=ETAG)
# no controls, no blank at either end
_NAME = r"^[^\x00-\x20\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f])?$"
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=_NAME)]
Text = Annotated[str, Field(min_length=1, max_length=10_000)]
IfMatch = Annotated[
    str | None,
    Header(pattern=r'^"?[0-9]{1,15}"?$', description="Do it only if the case is still at this version (its ETag)."),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Act(_Body):
    """`author`: the person, where several share one key. The audit always carries the key's name."""

    author: Name | None = None


class Assignment(Act):
    """`assignee` null takes it from whoever has it."""

    assignee: Name | None


class NewComment(Act):
    text: Text


class Closing(Act):
    """`disposition`: what it turned out to be."""

    disposition: Disposition
    text: Text | None = None


@router.get(
    "/v1/alerts/{alert_id}/case",
    responses=answers(CaseView, "The case; version 0 while nobody did anything.", 404, headers=ETAG),
    summary="What people did about an alert",
)
def read_case(deps: Deps, alert_id: params.AlertId) -> Response:
    find_alert(deps.alerts, alert_id)
    return _answer(_load(deps, alert_id))


@router.post("/v1/alerts/{alert_id}/acknowledge", responses=_ANSWERS, summary="Say that you have seen it")
def acknowledge(
    deps: Deps, actor: Actor, alert_id: params.AlertId, body: Act | None = None, if_match: IfMatch = None
) -> Response:
    return _apply(deps, alert_id, casework.acknowledge, _deed(deps, actor, body), if_match)


@router.post("/v1/alerts/{alert_id}/assign", responses=_ANSWERS, summary="Give it to somebody")
def assign(deps: Deps, actor: Actor, alert_id: params.AlertId, body: Assignment, if_match: IfMatch = None) -> Response:
    return _apply(deps, alert_id, casework.assign(body.assignee), _deed(deps, actor, body), if_match)


@router.post("/v1/alerts/{alert_id}/comments", responses=_ANSWERS, summary="Add a comment")
def comment(deps: Deps, actor: Actor, alert_id: params.AlertId, body: NewComment, if_match: IfMatch = None) -> Response:
    return _apply(deps, alert_id, casework.comment(body.text), _deed(deps, actor, body), if_match)


@router.post("/v1/alerts/{alert_id}/close", responses=_ANSWERS, summary="Settle it, and say as what")
def close(deps: Deps, actor: Actor, alert_id: params.AlertId, body: Closing, if_match: IfMatch = None) -> Response:
    return _apply(deps, alert_id, casework.close(body.disposition, body.text), _deed(deps, actor, body), if_match)


@router.post("/v1/alerts/{alert_id}/reopen", responses=_ANSWERS, summary="Take a closed case up again")
def reopen(
    deps: Deps, actor: Actor, alert_id: params.AlertId, body: Act | None = None, if_match: IfMatch = None
) -> Response:
    return _apply(deps, alert_id, casework.reopen, _deed(deps, actor, body), if_match)


def _deed(deps: ApiDeps, actor: str, body: Act | None) -> Deed:
    author = body.author if body is not None and body.author is not None else actor
    return Deed(actor=actor, author=author, at_ns=deps.now())


def _load(deps: ApiDeps, alert_id: str) -> Case:
    return deps.cases.cases([alert_id]).get(alert_id) or Case(alert_id=alert_id, version=0)


def _apply(deps: ApiDeps, alert_id: str, step: Step, deed: Deed, if_match: str | None) -> Response:
    """Read, step, compare-and-set; with If-Match once, else again on the newer version, for no step looks at others."""
    find_alert(deps.alerts, alert_id)
    wanted = None if if_match is None else int(if_match.strip('"'))
    for _ in range(_TRIES):
        case = _load(deps, alert_id)
        if wanted is not None and case.version != wanted:
            raise ProblemError(412, f"the case is at version {case.version}, not {wanted}: read it again")
        changed, entry = step(case, deed)
        try:
            deps.cases.put(changed, entry)
        except CommitRefusedError:
            continue
        return _answer(changed)
    raise ProblemError(409, "others keep changing this case at the same time; try again")


def _answer(case: Case) -> Response:
    return json_response(case_view(case), headers={"ETag": f'"{case.version}"'})
