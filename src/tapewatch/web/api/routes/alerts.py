"""Alerts: lists by filter, and one with everything about it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from msgspec.structs import replace
from starlette.responses import Response

from tapewatch.model.alerts import Alert, Case
from tapewatch.model.errors import DeniedError, RetryableError
from tapewatch.model.times import DAY_NS
from tapewatch.stores.port import AlertQuery, AlertStore
from tapewatch.web.api import params
from tapewatch.web.api.cursors import encode_cursor
from tapewatch.web.api.deps import ApiDeps, Deps
from tapewatch.web.api.documented import LINK, answers, problem_answers
from tapewatch.web.api.messages import (
    AlertDetail,
    AlertPage,
    NoticeView,
    PastIncident,
    SignalPage,
    case_view,
    explain,
    json_response,
    notice_view,
    page_response,
    past_incident,
)
from tapewatch.web.api.problems import ProblemError
from tapewatch.web.api.queries import AlertList, case_views, fetch_page, next_address, next_of

router = APIRouter(tags=["alerts"])
_PAGE = answers(AlertPage, "A page of alerts.", 400, headers=LINK)
_DETAIL_SIGNALS = _DETAIL_NOTICES = _HISTORY = 100
_HISTORY_NS = 30 * DAY_NS
IncidentFilter = Annotated[str | None, Query(pattern=r"^[0-9a-f]{32}$", description="Only the alerts of one incident.")]


@router.get("/alerts", responses=_PAGE, summary="Alerts by time and filter")
@router.get("/v1/alerts", responses=_PAGE, summary="Alerts by time and filter (the same as /alerts)")
def list_alerts(
    *,
    request: Request,
    deps: Deps,
    query: AlertList,
    symbol: params.SymbolFilter = None,
    incident_id: IncidentFilter = None,
    cursor: params.Cursor = None,
) -> Response:
    """Newest onset first unless `order=oldest`. Ties are in the order of ids, so pages never overlap or skip."""
    return _page(request, deps, replace(query, symbol=symbol, incident_id=incident_id), cursor)


@router.get("/alerts/{symbol:path}", responses=_PAGE | problem_answers(404), summary="Alerts of one symbol")
def list_alerts_of_symbol(
    request: Request, deps: Deps, symbol: params.SymbolPath, query: AlertList, cursor: params.Cursor = None
) -> Response:
    """The symbol in any case (`TSLA`, `BTC/USDT`); all venues unless `venue` is given."""
    return _page(request, deps, replace(query, symbol=symbol), cursor)


@router.get(
    "/v1/alerts/{alert_id}",
    responses=answers(AlertDetail, "The alert, why there is one, its signals, and what people did.", 404),
    summary="One alert with everything about it",
)
def read_alert(request: Request, deps: Deps, alert_id: params.AlertId) -> Response:
    stored = find_alert(deps.alerts, alert_id)
    (alert,) = deps.markets.told([stored])
    (view,) = deps.markets.views([stored])
    incident = deps.alerts.incidents(AlertQuery(incident_id=alert.incident_id, limit=1))
    group = deps.markets.group(incident[0]) if incident else None
    query = AlertQuery(alert_id=alert_id, newest_first=False, limit=_DETAIL_SIGNALS)
    signals, more = fetch_page(deps.alerts.signals, query)
    cursor = encode_cursor((signals[-1].ts_event_ns, signals[-1].signal_id), params.query_digest(query)) if more else ""
    case = deps.cases.cases([alert_id]).get(alert_id) or Case(alert_id=alert_id, version=0)
    detail = AlertDetail(
        alert=alert,
        explanation=explain(alert, view, group.group_id if group else None),
        case=case_view(case),
        signals=signals,
        signals_next=next_address(request, cursor, path=f"/v1/alerts/{alert_id}/signals") if more else None,
        history=past_incidents(deps, alert),
        notices=_notices(deps, alert_id),
    )
    return json_response(detail)


@router.get(
    "/v1/alerts/{alert_id}/signals",
    responses=answers(SignalPage, "A page of signals, oldest first.", 400, 404, headers=LINK),
    summary="The signals that an alert stands on",
)
def list_signals(
    request: Request,
    deps: Deps,
    alert_id: params.AlertId,
    limit: params.Limit = params.DEFAULT_PAGE,
    cursor: params.Cursor = None,
) -> Response:
    query = params.with_cursor(AlertQuery(alert_id=alert_id, newest_first=False, limit=limit), cursor)
    find_alert(deps.alerts, alert_id)
    signals, more = fetch_page(deps.alerts.signals, query)
    last = (signals[-1].ts_event_ns, signals[-1].signal_id) if more else None
    address = next_of(request, query, last)
    return page_response(SignalPage(items=signals, next=address), address)


def past_incidents(deps: ApiDeps, alert: Alert) -> list[PastIncident]:
    """The symbol's other incidents of the 30 days before the alert, newest first, with how they were closed."""
    query = AlertQuery(
        venue=alert.venue,
        symbol=alert.symbol,
        from_ns=alert.onset_ns - _HISTORY_NS,
        to_ns=alert.onset_ns + 1,
        limit=_HISTORY,
    )
    found = [i for i in deps.alerts.incidents(query) if i.incident_id != alert.incident_id]
    cases = deps.cases.cases([alert_id for incident in found for alert_id in incident.alerts])
    return [past_incident(i, [cases[a] for a in i.alerts if a in cases]) for i in found]


def find_alert(store: AlertStore, alert_id: str) -> Alert:
    """The newest revision of an alert, or a 404."""
    found = store.page(AlertQuery(alert_id=alert_id, limit=1))
    if not found:
        raise ProblemError(404, f"there is no alert {alert_id}")
    return found[0]


def _notices(deps: ApiDeps, alert_id: str) -> list[NoticeView] | None:
    """The ledger has a server of its own, which /readyz names: without it the alert is told without its notices."""
    try:
        return [notice_view(r) for r in deps.notices.notices(alert_id, _DETAIL_NOTICES)] if deps.notices else None
    except (RetryableError, DeniedError):
        return None


def _page(request: Request, deps: ApiDeps, query: AlertQuery, cursor: str | None) -> Response:
    query = params.with_cursor(query, cursor)
    stored, more = fetch_page(deps.alerts.page, query)
    items = deps.markets.told(stored)
    address = next_of(request, query, (items[-1].onset_ns, items[-1].alert_id) if more else None)
    return page_response(AlertPage(items=items, cases=case_views(deps.cases, items), next=address), address)
