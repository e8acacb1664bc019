"""Bars of one symbol from the tick history, at any interval."""

import math
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from tapewatch.model.bars import Bars
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import default_venue
from tapewatch.model.times import format_rfc3339
from tapewatch.web.api import params
from tapewatch.web.api.cursors import decode_cursor, encode_cursor, filters_digest
from tapewatch.web.api.deps import Deps
from tapewatch.web.api.documented import LINK, answers
from tapewatch.web.api.messages import Bar, BarPage, page_response
from tapewatch.web.api.queries import next_address

router = APIRouter(tags=["ticks"])
MAX_BARS = 10_000
From = Annotated[params.Time | None, Query(alias="from", description="Start; default `limit` intervals before `to`.")]
To = Annotated[params.Time | None, Query(alias="to", description="End, not included; default now.")]
Step = Annotated[params.Interval | None, Query(alias="interval", description="`30s`, `1m` (the default), `1h`, `1d`.")]


@router.get(
    "/v1/ticks/{symbol:path}",
    responses=answers(BarPage, "Bars, oldest first.", 400, 404, headers=LINK),
    summary="Bars of a symbol",
)
def list_bars(
    *,
    request: Request,
    deps: Deps,
    symbol: params.SymbolPath,
    from_ns: From = None,
    to_ns: To = None,
    interval_ns: Step = None,
    venue: params.Venue = None,
    limit: Annotated[int, Query(ge=1, le=MAX_BARS, description="Intervals a page.")] = 1_000,
    cursor: params.Cursor = None,
) -> Response:
    """A page covers `limit` intervals of time; `next` goes on where it ended, until `to`. Bars of the history that
    are longer than the interval are given as they are. Without `venue`, pairs with a slash are looked for on
    `binance`, the rest on `XNAS`."""
    step = params.parse_interval("1m") if interval_ns is None else interval_ns
    venue = venue or default_venue(symbol)
    digest = filters_digest("bars", venue, symbol, step, from_ns, to_ns)
    if cursor is None:
        end = deps.now() if to_ns is None else to_ns
        start = max(params.EARLIEST_NS, end - limit * step) if from_ns is None else from_ns
    else:
        start, end = _resume(cursor, digest)
    params.check_range(start, end)
    stop = min(end, start + limit * step)
    bars = deps.history.bars(venue, symbol, start, stop, step)
    address = next_address(request, encode_cursor((stop, str(end)), digest)) if stop < end else None
    page = BarPage(venue=venue, symbol=symbol, interval=params.format_interval(step), items=_rows(bars), next=address)
    return page_response(page, address)


def _resume(cursor: str, digest: str) -> tuple[int, int]:
    """Where a page goes on, and the end that the first page fixed (its `to` may have been now)."""
    start, end = decode_cursor(cursor, digest)
    if not end.lstrip("-").isdecimal():
        raise InputError("cursor: not one that this server gave out")
    return start, int(end)


def _rows(bars: Bars) -> list[Bar]:
    columns = (bars.ts_ns, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return [
        Bar(format_rfc3339(ts), o, h, low, c, None if math.isnan(v) else v)
        for ts, o, h, low, c, v in zip(*(column.tolist() for column in columns), strict=True)
    ]
