"""Errors as RFC 9457 problem documents: what is wrong, for whoever has to act on it, and nothing about our insides."""

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from tapewatch.model.errors import CommitRefusedError, DeniedError, InputError, RetryableError
from tapewatch.web.api.deps import run_checks

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with the request: where (`query.from`, `body.text`) and what."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. `errors` names each wrong field, `error_id` leads support to the log, `checks` are those of
    `/readyz` (of a 503: those that fail)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None
    error_id: str | None = None
    checks: Mapping[str, str | None] | None = None


class ProblemError(Exception):
    """Raised by a route to answer with a problem document."""

    def __init__(
        self, status: int, detail: str, *, errors: list[FieldError] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, errors, headers


def invalid(field: str, message: str) -> ProblemError:
    """422: this field is not what the documentation says it must be."""
    return ProblemError(422, f"{field}: {message}", errors=[FieldError(field, message)])


def problem_response(
    status: int,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    errors: list[FieldError] | None = None,
    error_id: str | None = None,
    checks: Mapping[str, str | None] | None = None,
) -> Response:
    """A problem document; its title is the status's standard phrase, so that clients can rely on it."""
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=errors,
        error_id=error_id,
        checks=checks,
    )
    return Response(msgspec.json.encode(problem), status, SECURITY_HEADERS | (headers or {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(InputError, _on_input)
    app.add_exception_handler(DeniedError, _on_denied)
    app.add_exception_handler(RetryableError, _on_retryable)
    app.add_exception_handler(CommitRefusedError, _on_conflict)
    app.add_exception_handler(Exception, _on_unexpected)


def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem_response(error.status, error.detail, headers=error.headers, errors=error.errors)


def _on_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(item) for item in error.errors()]
    summary = "; ".join(f"{e.field}: {e.message}" for e in errors[:3])
    return problem_response(422, summary, errors=errors[:20])


def _field_error(item: dict[str, Any]) -> FieldError:  # Any: pydantic's own shape
    # The offending value is left out: it may be a secret, and it may be huge.
    where = ".".join(str(part)[:64] for part in item.get("loc", ()))
    return FieldError(where, str(item.get("msg", "invalid")).removeprefix("Value error, ")[:300])


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers) if error.headers else None
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(request)):
        headers = {"Allow": ", ".join(methods)}
    return problem_response(error.status_code, _DETAILS.get(error.status_code, str(error.detail)), headers=headers)


def _methods(request: Request) -> list[str]:
    """What the address takes by the API's document: the framework names the methods of the first of its routes only."""
    path = request.scope["path"]
    for template, operations in request.app.state.document["paths"].items():
        if compile_path(template)[0].match(path):
            return sorted(method.upper() for method in operations)
    return []


_DETAILS = {
    404: "there is nothing at this address; /docs lists what there is",
    405: "this address does not take that method",
    413: "the request's body is larger than this server takes",
}


def _on_input(_request: Request, error: Exception) -> Response:
    return problem_response(400, str(error))


def _on_retryable(request: Request, error: Exception) -> Response:
    logger.warning("a store was busy or out of reach: %s", error)
    return _unavailable(request, "a store is busy or out of reach; the same request may succeed later")


def _on_denied(request: Request, error: Exception) -> Response:
    logger.error("a store does not let us in: %s", error)
    return _unavailable(request, "a store does not let this server in; whoever runs it has to mend its settings")


def _unavailable(request: Request, detail: str) -> Response:
    checks = run_checks(request.app.state.deps)
    failing = {name: why for name, why in checks.items() if why is not None} or None
    return problem_response(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)}, checks=failing)


def _on_conflict(_request: Request, _error: Exception) -> Response:
    return problem_response(409, "somebody else changed this at the same time; read it again and repeat the request")


def _on_unexpected(request: Request, error: Exception) -> Response:
    error_id = secrets.token_hex(8)
    logger.error("error %s at %s %s", error_id, request.method, request.url.path, exc_info=error)
    return problem_response(500, "something went wrong inside; the log has it under error_id", error_id=error_id)
