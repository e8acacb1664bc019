"""Alerts as they happen: server-sent events that resume where a client was cut off."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from msgspec.structs import replace
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tapewatch.web.api import params
from tapewatch.web.api.alert_stream import AlertStream, StreamFullError
from tapewatch.web.api.documented import Responses, content, problem_answers
from tapewatch.web.api.problems import ProblemError
from tapewatch.web.api.queries import AlertFilters

router = APIRouter(tags=["alerts"])
_TEXT = (
    "Events: `ready` (where you are; `resumed` says whether your Last-Event-ID was taken up), `alert` (one revision "
    "of an alert, as JSON), `reset` (what you missed is no longer there: read the lists, and go on from here). "
    "Comments keep the connection alive."
)
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": ["ready", "alert", "reset"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}
_EVENTS: Responses = {200: content(_TEXT, {"text/event-stream": {"itemSchema": _EVENT}})}
LastEventId = Annotated[
    str | None,
    Header(pattern=r"^[\x20-\x7e]{0,200}$", description="The id of the last event that you got. Opaque."),
]


@router.get(
    "/v1/stream/alerts",
    responses=_EVENTS | problem_answers(),
    response_class=StreamingResponse,
    summary="Alerts as they happen",
)
async def stream_alerts(
    request: Request,
    filters: AlertFilters,
    symbol: params.SymbolFilter = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Each revision of an alert is one event, once. Without Last-Event-ID the stream begins now. The server ends a
    stream after a while; EventSource and its like come back by themselves and miss nothing."""
    stream: AlertStream = request.app.state.alert_stream
    try:
        listener = await stream.join(last_event_id or None, replace(filters, symbol=symbol))
    except StreamFullError:
        raise ProblemError(503, "as many clients listen as this server takes", headers={"Retry-After": "10"}) from None
    response = _StreamResponse(stream.frames(listener), media_type="text/event-stream")
    response.stream = stream
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _StreamResponse(StreamingResponse):
    """A stream that counts its client out however it ends."""

    stream: AlertStream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.stream.leave()
