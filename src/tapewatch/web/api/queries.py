"""From request parameters to an AlertQuery, and from what a store gave to a page with its `next`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Depends, Query, Request
from msgspec.structs import replace

from tapewatch.model.alerts import Alert
from tapewatch.stores.port import AlertQuery, CaseStore
from tapewatch.web.api import params
from tapewatch.web.api.cursors import Position, encode_cursor
from tapewatch.web.api.deps import Deps
from tapewatch.web.api.messages import CaseView, case_view
from tapewatch.web.api.names import refuse_unknown_names

T = TypeVar("T")


async def alert_filters(
    *,
    deps: Deps,
    venue: params.Venue = None,
    severity: Annotated[params.Severities, Query()] = None,
    rule: params.Rules = None,
    type_: params.Types = None,
    state: Annotated[params.States, Query()] = None,
    category: Annotated[params.Categories, Query()] = None,
) -> AlertQuery:
    """The filters that lists and the stream share."""
    query = AlertQuery(
        venue=venue,
        severity=texts(severity),
        rule=texts(rule),
        alert_type=texts(type_),
        state=texts(state),
        category=texts(category),
    )
    await refuse_unknown_names(deps, query)
    return query


async def alert_list(
    *,
    filters: Annotated[AlertQuery, Depends(alert_filters)],
    from_ns: params.FromTime = None,
    to_ns: params.ToTime = None,
    order: params.Order = "newest",
    limit: params.Limit = params.DEFAULT_PAGE,
) -> AlertQuery:
    """The filters of a list of alerts, without symbol and cursor."""
    params.check_range(from_ns, to_ns)
    return replace(filters, from_ns=from_ns, to_ns=to_ns, newest_first=order == "newest", limit=limit)


AlertFilters = Annotated[AlertQuery, Depends(alert_filters)]
AlertList = Annotated[AlertQuery, Depends(alert_list)]


def texts(values: Sequence[str] | None) -> list[str] | None:
    """A repeated parameter as a filter: sorted, without repeats, None where it was not given."""
    return None if not values else sorted(set(values))


def fetch_page(fetch: Callable[[AlertQuery], list[T]], query: AlertQuery) -> tuple[list[T], bool]:
    """A page, and whether there is more behind it: one item too many is asked for, so that no page ends in silence."""
    items = fetch(replace(query, limit=query.limit + 1))
    return items[: query.limit], len(items) > query.limit


def next_address(
    request: Request, cursor: str, *, path: str | None = None, fixed: Mapping[str, str] | None = None
) -> str:
    """The address of the next page: this request's own with the cursor, or `path` with the parameters in `fixed`."""
    if path is None:
        kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
        where = quote(request.scope["path"], safe="/:@")
    else:
        kept, where = list((fixed or {}).items()), request.scope.get("root_path", "") + path
    return f"{where}?{urlencode([*kept, ('cursor', cursor)])}"


def next_of(request: Request, query: AlertQuery, last: Position | None) -> str | None:
    """`next` of a page that ended with `last`; None where nothing is behind it."""
    return None if last is None else next_address(request, encode_cursor(last, params.query_digest(query)))


def case_views(store: CaseStore, alerts: list[Alert]) -> dict[str, CaseView]:
    """The cases of the alerts that somebody touched."""
    cases = store.cases([alert.alert_id for alert in alerts]) if alerts else {}
    return {alert_id: case_view(case) for alert_id, case in cases.items()}
