"""What a route's documentation says about its answers, so that each route names only what is its own."""

from typing import Any

import msgspec

from tapewatch.web.api import problems

Responses = dict[int | str, dict[str, Any]]  # Any: OpenAPI as FastAPI takes it

_PROBLEM = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_MEANING = {
    400: "Well-formed, but it makes no sense: `from` after `to`, a cursor of another list, a time that cannot be kept.",
    401: "No API key, or one that is not known.",
    403: "A web page of another origin may not call.",
    404: "There is no such thing.",
    409: "It does not fit the present state, or somebody else changed it at the same time.",
    412: "The case is no longer at the version that If-Match names.",
    413: "The body is too large.",
    421: "The Host header names a host that this server is not.",
    422: "A parameter or field is unknown, repeated, missing, or not what it must be; `errors` names each.",
    503: "Out of reach or too busy just now; try again after Retry-After seconds.",
}
_ALWAYS = (401, 403, 421, 422, 503)
LINK = {"Link": {"description": 'The next page (`rel="next"`).', "schema": {"type": "string"}}}
ETAG = {"ETag": {"description": "The version of the case, for If-Match.", "schema": {"type": "string"}}}


def answers(
    struct: type[msgspec.Struct],
    text: str,
    *also: int,
    status: int = 200,
    headers: dict[str, Any] | None = None,
) -> Responses:
    """A JSON answer of `struct`, the problems that every route may have, and those in `also`."""
    schema = {"$ref": f"#/components/schemas/{struct.__name__}"}
    return {status: content(text, {"application/json": {"schema": schema}}, headers)} | problem_answers(*also)


def content(text: str, media: dict[str, Any], headers: dict[str, Any] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"description": text, "content": media}
    return described | ({"headers": headers} if headers else {})


def problem_answers(*also: int) -> Responses:
    return {code: {"description": _MEANING[code], "content": _PROBLEM} for code in sorted({*_ALWAYS, *also})}
