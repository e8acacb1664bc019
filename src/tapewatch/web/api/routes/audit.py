"""The audit: who did what, when; only ever appended."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tapewatch.web.api import params
from tapewatch.web.api.cursors import decode_cursor, encode_cursor, filters_digest
from tapewatch.web.api.deps import Deps
from tapewatch.web.api.documented import LINK, answers
from tapewatch.web.api.messages import AuditPage, audit_view, page_response
from tapewatch.web.api.queries import next_address

router = APIRouter(tags=["audit"])
Subject = Annotated[
    str | None,
    Query(pattern=r"^[A-Za-z0-9._:/-]{1,100}$", description="Only what was done to this alert id, rule set, ..."),
]


@router.get("/v1/audit", responses=answers(AuditPage, "A page of entries.", 400, headers=LINK), summary="Who did what")
def list_audit(
    request: Request,
    deps: Deps,
    subject: Subject = None,
    limit: params.Limit = params.DEFAULT_PAGE,
    cursor: params.Cursor = None,
) -> Response:
    """In the order in which it happened."""
    digest = filters_digest("audit", subject)
    after = decode_cursor(cursor, digest)[0] if cursor else 0
    entries = deps.cases.audit(subject, after, limit + 1)
    items, more = entries[:limit], len(entries) > limit
    address = next_address(request, encode_cursor((items[-1].seq, ""), digest)) if more else None
    return page_response(AuditPage(items=[audit_view(entry) for entry in items], next=address), address)
