"""Incidents: what people are notified of; alerts are their evidence."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from msgspec.structs import replace
from starlette.responses import Response

from tapewatch.model.alerts import Incident
from tapewatch.reports.content import Episode, severity_key
from tapewatch.stores.markets import told_incident
from tapewatch.stores.port import AlertQuery
from tapewatch.web.api import params
from tapewatch.web.api.cursors import encode_cursor
from tapewatch.web.api.deps import ApiDeps, Deps
from tapewatch.web.api.documented import LINK, Responses, answers, content, problem_answers
from tapewatch.web.api.messages import (
    IncidentDetail,
    IncidentPage,
    IncidentView,
    incident_view,
    json_response,
    page_response,
)
from tapewatch.web.api.names import refuse_unknown_names
from tapewatch.web.api.problems import ProblemError
from tapewatch.web.api.queries import case_views, fetch_page, next_address, next_of, texts

router = APIRouter(tags=["incidents"])
_DETAIL_ALERTS = 100
_CHART: Responses = {200: content("The chart.", {"image/svg+xml": {"schema": {"type": "string"}}})}


async def incident_query(
    *,
    deps: Deps,
    venue: params.Venue = None,
    symbol: params.SymbolFilter = None,
    severity: Annotated[params.Severities, Query()] = None,
    type_: params.Types = None,
    state: params.IncidentStates = None,
    category: Annotated[params.Categories, Query()] = None,
    from_ns: params.FromTime = None,
    to_ns: params.ToTime = None,
) -> AlertQuery:
    params.check_range(from_ns, to_ns)
    query = AlertQuery(
        venue=venue,
        symbol=symbol,
        severity=texts(severity),
        alert_type=texts(type_),
        state=texts(state),
        category=texts(category),
        from_ns=from_ns,
        to_ns=to_ns,
    )
    await refuse_unknown_names(deps, query)
    return query


@router.get(
    "/v1/incidents",
    responses=answers(IncidentPage, "A page of incidents.", 400, headers=LINK),
    summary="Incidents by time and filter",
)
def list_incidents(
    *,
    request: Request,
    deps: Deps,
    filters: Annotated[AlertQuery, Depends(incident_query)],
    order: params.Order = "newest",
    limit: params.Limit = params.DEFAULT_PAGE,
    cursor: params.Cursor = None,
) -> Response:
    """Newest onset first unless `order=oldest`."""
    query = params.with_cursor(replace(filters, newest_first=order == "newest", limit=limit), cursor)
    items, more = fetch_page(deps.alerts.incidents, query)
    address = next_of(request, query, (items[-1].onset_ns, items[-1].incident_id) if more else None)
    return page_response(IncidentPage(items=incident_views(deps, items), next=address), address)


@router.get(
    "/v1/incidents/{incident_id}",
    responses=answers(IncidentDetail, "The incident with its alerts.", 404),
    summary="One incident with its alerts",
)
def read_incident(request: Request, deps: Deps, incident_id: params.IncidentId) -> Response:
    found = deps.alerts.incidents(AlertQuery(incident_id=incident_id, limit=1))
    if not found:
        raise ProblemError(404, f"there is no incident {incident_id}")
    query = AlertQuery(incident_id=incident_id, newest_first=False, limit=_DETAIL_ALERTS)
    stored, more = fetch_page(deps.alerts.page, query)
    alerts = deps.markets.told(stored)
    address = None
    if more:
        cursor = encode_cursor((alerts[-1].onset_ns, alerts[-1].alert_id), params.query_digest(query))
        fixed = {"incident_id": incident_id, "order": "oldest"}
        address = next_address(request, cursor, path="/v1/alerts", fixed=fixed)
    cases = case_views(deps.cases, alerts)
    return json_response(
        IncidentDetail(incident=incident_views(deps, found)[0], alerts=alerts, cases=cases, alerts_next=address)
    )


@router.get(
    "/v1/incidents/{incident_id}/chart",
    responses=_CHART | problem_answers(404),
    summary="The incident as a picture: half an hour either side of its onset",
)
def draw_incident(request: Request, deps: Deps, incident_id: params.IncidentId) -> Response:
    """Bars with the alerts on them, the mean of the others of its market and the same instrument elsewhere, where they
    are known. SVG; it holds no script."""
    alerts = deps.alerts.page(AlertQuery(incident_id=incident_id, newest_first=False, limit=_DETAIL_ALERTS))
    if not alerts or deps.chart is None:
        raise ProblemError(404, f"there is no incident {incident_id}" if deps.chart else "no charts are drawn here")
    worst = max(alerts, key=severity_key)
    case = deps.cases.cases([worst.alert_id]).get(worst.alert_id)
    slots = request.app.state.render_slots
    if not slots.acquire(blocking=False):
        raise ProblemError(503, "too many reports and charts are being made; try again", headers={"Retry-After": "5"})
    try:
        drawn = deps.chart(Episode(incident_id, worst, case, alerts[0].onset_ns, len(alerts)))
    finally:
        slots.release()
    return Response(drawn, media_type="image/svg+xml")


def incident_views(deps: ApiDeps, incidents: Sequence[Incident]) -> list[IncidentView]:
    """The incidents with their groups and with what their markets did."""
    groups, views = deps.markets.groups(incidents), deps.markets.views(incidents)
    return [
        incident_view(told_incident(incident, view), groups.get(incident.incident_id), view)
        for incident, view in zip(incidents, views, strict=True)
    ]
