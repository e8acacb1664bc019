"""Reports: at once to whoever waits, or in the background and by e-mail."""

import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated
from urllib.parse import quote
from zoneinfo import ZoneInfo

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tapewatch.model.errors import InputError
from tapewatch.reports.port import ReportRequest
from tapewatch.stores.port import ReportTask
from tapewatch.web.api import params
from tapewatch.web.api.deps import ApiDeps, Deps
from tapewatch.web.api.documented import Responses, answers, content, problem_answers
from tapewatch.web.api.messages import TaskView, json_response, task_view
from tapewatch.web.api.problems import ProblemError, invalid
from tapewatch.web.api.queries import texts

router = APIRouter(tags=["reports"])
_FILE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_DISPOSITION = {"Content-Disposition": {"description": "The file's name.", "schema": {"type": "string"}}}
_LOCATION = {"Location": {"description": "Where to ask how far it is.", "schema": {"type": "string"}}}
_MADE: Responses = {200: content("The report, in the media type of its format.", _FILE, _DISPOSITION)}
Format = Annotated[str | None, Query(alias="format", description="Default: the first of those that there are.")]
Title = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
Zone = Annotated[
    str, Query(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$", description="Zone of the printed times: Europe/Rome.")
]
Email = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,180}[A-Za-z0-9])?$",
        description="Send it there when it is made, instead of answering with it. Only to recipients that are allowed.",
    ),
]


async def report_request(
    *,
    deps: Deps,
    format_name: Format = None,
    from_ns: params.FromTime = None,
    to_ns: params.ToTime = None,
    venue: params.Venue = None,
    symbol: params.SymbolFilter = None,
    severity: Annotated[params.Severities, Query()] = None,
    title: Title = None,
    zone: Zone = "UTC",
) -> ReportRequest:
    params.check_range(from_ns, to_ns)
    formats = deps.reports.formats
    if format_name is not None and format_name not in formats:
        raise invalid("query.format", f"must be one of {', '.join(formats)}")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # a folder of the database is an OSError
        raise InputError(f"zone: {zone!r} is not a time zone, e.g. Europe/Rome or UTC") from None
    return ReportRequest(
        format=format_name or next(iter(formats)),
        from_ns=from_ns,
        to_ns=to_ns,
        venue=venue,
        symbol=symbol,
        severity=texts(severity),
        title=title,
        zone=zone,
    )


@router.post(
    "/v1/reports",
    responses=_MADE | answers(TaskView, "Queued; Location says where to ask.", 400, status=202, headers=_LOCATION),
    response_class=Response,
    summary="Make a report",
)
async def make_report(
    request: Request,
    deps: Deps,
    wanted: Annotated[ReportRequest, Depends(report_request)],
    recipient_email: Email = None,
) -> Response:
    """Without `recipient_email` the answer is the file. With it, the answer is a task, and the file is sent."""
    if recipient_email is not None:
        task = await to_thread.run_sync(deps.reports.submit, wanted, recipient_email)
        where = f"{request.scope.get('root_path', '')}/v1/reports/status/{task.task_id}"
        return json_response(task_view(task), 202, {"Location": where})
    return await _render(deps, wanted, request.app.state.render_slots)


@router.get(
    "/v1/reports/status/{task_id}",
    responses=answers(TaskView, "How far it is.", 404),
    summary="How far a report is",
)
def report_status(deps: Deps, task_id: params.TaskId) -> Response:
    return json_response(task_view(_task(deps, task_id)))


@router.get(
    "/v1/reports/{task_id}/file",
    responses=_MADE | problem_answers(404, 409),
    response_class=Response,
    summary="The file of a report that was made in the background",
)
def report_file(deps: Deps, task_id: params.TaskId) -> Response:
    task = _task(deps, task_id)
    if task.status == "failed":
        raise ProblemError(409, f"report {task_id} failed: {task.error or 'the log says why'}")
    data = deps.reports.content(task_id) if task.status == "done" else None
    if data is None and task.status == "done":
        raise ProblemError(404, f"the file of report {task_id} is no longer kept")
    if data is None:
        raise ProblemError(409, f"report {task_id} is {task.status}; ask again later", headers={"Retry-After": "2"})
    name, media_type = task.file_name or f"{task_id}.bin", task.media_type or "application/octet-stream"
    return Response(data, headers={"Content-Disposition": disposition(name), "Content-Type": media_type})


def disposition(file_name: str) -> str:
    """Content-Disposition of a download (RFC 6266), whatever characters the name has."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in file_name)
    extended = "" if plain == file_name else f"; filename*=UTF-8''{quote(file_name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def _task(deps: ApiDeps, task_id: str) -> ReportTask:
    task = deps.reports.status(task_id)
    if task is None:
        raise ProblemError(404, f"there is no report {task_id}")
    return task


async def _render(deps: ApiDeps, wanted: ReportRequest, slots: threading.BoundedSemaphore) -> Response:
    if not slots.acquire(blocking=False):
        detail = "too many reports are being made for callers that wait; try again, or have it sent by e-mail"
        raise ProblemError(503, detail, headers={"Retry-After": "5"})
    handed_over = False
    try:
        report = await to_thread.run_sync(deps.reports.render, wanted)
        # The first chunk comes before the status line, so that what fails at once is still a proper error
        first = await to_thread.run_sync(next, report.chunks, None)
        headers = {"Content-Disposition": disposition(report.file_name), "Content-Type": report.media_type}
        response = _SlotResponse(_stream(first, report.chunks), headers=headers)
        response.slots, handed_over = slots, True
        return response
    finally:
        if not handed_over:
            slots.release()


class _SlotResponse(StreamingResponse):
    """A response that gives its slot back however it ends, even if its body is never asked for."""

    slots: threading.BoundedSemaphore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.slots.release()


async def _stream(first: bytes | None, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    chunk = first
    while chunk is not None:
        yield chunk
        chunk = await to_thread.run_sync(next, rest, None)
