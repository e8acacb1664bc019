"""Groups: market-wide moves, told once. Joined with incidents when they are read."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from tapewatch.stores.markets import group_members
from tapewatch.stores.port import GroupQuery
from tapewatch.web.api import params
from tapewatch.web.api.cursors import decode_cursor, encode_cursor, filters_digest
from tapewatch.web.api.deps import Deps
from tapewatch.web.api.documented import LINK, answers
from tapewatch.web.api.messages import GroupDetail, GroupPage, group_view, json_response, page_response
from tapewatch.web.api.problems import ProblemError
from tapewatch.web.api.queries import next_address
from tapewatch.web.api.routes.incidents import incident_views

router = APIRouter(tags=["groups"])
Market = Annotated[
    str | None,
    Query(
        pattern=r"^[^\x00-\x20\x7f-\x9f]{1,128}$", description="`XNYS` (all who keep its hours), `binance:USDT`, ..."
    ),
]
GroupState = Annotated[Literal["open", "closed"] | None, Query()]
GroupId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@router.get(
    "/v1/groups", responses=answers(GroupPage, "A page of groups.", 400, headers=LINK), summary="Market-wide moves"
)
def list_groups(
    *,
    request: Request,
    deps: Deps,
    market: Market = None,
    state: GroupState = None,
    from_ns: params.FromTime = None,
    to_ns: params.ToTime = None,
    order: params.Order = "newest",
    limit: params.Limit = params.DEFAULT_PAGE,
    cursor: params.Cursor = None,
) -> Response:
    """By the time at which they were recognised, newest first unless `order=oldest`."""
    params.check_range(from_ns, to_ns)
    newest = order == "newest"
    digest = filters_digest("groups", market, state, from_ns, to_ns, newest)
    query = GroupQuery(
        market=market,
        state=state,
        from_ns=from_ns,
        to_ns=to_ns,
        newest_first=newest,
        after=decode_cursor(cursor, digest) if cursor else None,
        limit=limit + 1,
    )
    found = deps.groups.groups(query)
    items, more = found[:limit], len(found) > limit
    last = (items[-1].opened_ns, items[-1].group_id) if more else None
    address = next_address(request, encode_cursor(last, digest)) if last else None
    return page_response(GroupPage(items=[group_view(g) for g in items], next=address), address)


@router.get(
    "/v1/groups/{group_id}",
    responses=answers(GroupDetail, "The group with its incidents.", 404),
    summary="One market-wide move with its incidents",
)
def read_group(deps: Deps, group_id: GroupId) -> Response:
    found = deps.groups.groups(GroupQuery(group_id=group_id, limit=1))
    if not found:
        raise ProblemError(404, f"there is no group {group_id}")
    members = [incident for incident, _ in group_members(deps.alerts, found[0])]
    return json_response(GroupDetail(group=group_view(found[0]), incidents=incident_views(deps, members)))
