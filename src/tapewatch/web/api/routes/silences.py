"""Silences: notices that are not sent for a while. Detection, alerts and their record go on; each change is audited."""

import uuid
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import AuditEntry, Category, Severity
from tapewatch.model.errors import InputError
from tapewatch.model.signals import Detail
from tapewatch.model.times import format_rfc3339
from tapewatch.web.api.deps import Actor, ApiDeps, Deps
from tapewatch.web.api.documented import answers
from tapewatch.web.api.messages import json_response
from tapewatch.web.api.params import Time
from tapewatch.web.api.problems import ProblemError
from tapewatch.web.api.routes.cases import Name
from tapewatch.web.api.silence_messages import SilenceList, SilenceView, silence_state, silence_view

router = APIRouter(tags=["silences"])
Pattern = Annotated[str, Field(min_length=1, max_length=100)]
SilenceId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
SilenceState = Annotated[
    Literal["pending", "active", "expired"] | None, Query(alias="state", description="All, unless one is asked for.")
]


class NewMatch(BaseModel):
    """What is muted: incidents for which every key that is given holds; at least one has to be. Patterns are shell-like
    (`BTC/*`) and blind to case."""

    model_config = ConfigDict(extra="forbid", strict=False)
    venues: tuple[Pattern, ...] = ()
    symbols: tuple[Pattern, ...] = ()
    rules: tuple[Pattern, ...] = ()
    categories: tuple[Category, ...] = ()
    min_severity: Severity = "low"
    max_severity: Severity = "critical"


class NewSilence(BaseModel):
    """`owner` answers for it: the key's name, unless another is given. Every silence ends, a year from now at most."""

    model_config = ConfigDict(extra="forbid", strict=False)
    owner: Name | None = None
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    starts: Time | None = None
    expires: Time
    match: NewMatch


LONGEST_NS = 366 * 86_400 * 1_000_000_000


@router.get(
    "/v1/silences", responses=answers(SilenceList, "All silences, those of the settings first."), summary="Silences"
)
def list_silences(deps: Deps, state: SilenceState = None) -> Response:
    """Those that people made here, and those that stand in the settings."""
    now_ns = deps.now()
    views = [silence_view(s, "settings", now_ns) for s in deps.fixed_silences]
    views += [silence_view(s, "api", now_ns) for s in deps.cases.silences()]
    return json_response(SilenceList(items=[v for v in views if state in (None, v.state)]))


@router.post(
    "/v1/silences",
    status_code=201,
    responses=answers(SilenceView, "The silence.", 400, 413, status=201),
    summary="Mute notices for a while",
)
def create_silence(deps: Deps, actor: Actor, body: NewSilence) -> Response:
    """In force from `starts`, or at once, until `expires`."""
    now_ns = deps.now()
    if not now_ns < body.expires <= now_ns + LONGEST_NS:
        given, now = format_rfc3339(body.expires), format_rfc3339(now_ns)
        raise InputError(f"expires: {given} must lie ahead of now, {now}, by a year at most")
    try:
        silence = Silence(
            silence_id=uuid.uuid4().hex,
            owner=body.owner or actor,
            reason=body.reason,
            starts_ns=now_ns if body.starts is None else body.starts,
            expires_ns=body.expires,
            match=Matcher(**body.match.model_dump()),
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    _put(deps, actor, silence, "create_silence", {"reason": silence.reason, "match": _words(silence.match)})
    return json_response(silence_view(silence, "api", now_ns), 201)


@router.post(
    "/v1/silences/{silence_id}/expire",
    responses=answers(SilenceView, "The silence, ended.", 404, 409),
    summary="End a silence now",
)
def expire_silence(deps: Deps, actor: Actor, silence_id: SilenceId) -> Response:
    """One that has not begun never will."""
    now_ns = deps.now()
    silence = next((s for s in deps.cases.silences() if s.silence_id == silence_id), None)
    if silence is None:
        raise ProblemError(404, f"there is no silence {silence_id} that was made here")
    if silence_state(silence, now_ns) == "expired":
        raise ProblemError(409, f"silence {silence_id} ended at {format_rfc3339(silence.expires_ns)}")
    over = msgspec.structs.replace(silence, starts_ns=min(silence.starts_ns, now_ns - 1), expires_ns=now_ns)
    _put(deps, actor, over, "expire_silence", {"expires_before": format_rfc3339(silence.expires_ns)})
    return json_response(silence_view(over, "api", now_ns))


def _put(deps: ApiDeps, actor: str, silence: Silence, action: str, detail: dict[str, Detail]) -> None:
    said: dict[str, Detail] = {"owner": silence.owner, "expires": format_rfc3339(silence.expires_ns), **detail}
    entry = AuditEntry(seq=0, at_ns=deps.now(), actor=actor, action=action, subject=silence.silence_id, detail=said)
    deps.cases.put_silence(silence, entry)


def _words(match: Matcher) -> str:
    """The parts that say something, in one line."""
    parts = {name: getattr(match, name) for name in Matcher.__struct_fields__}
    return "; ".join(
        f"{name} {', '.join(value) if isinstance(value, tuple) else value}" for name, value in parts.items() if value
    )
