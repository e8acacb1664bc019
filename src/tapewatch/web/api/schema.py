"""The OpenAPI document: FastAPI's, with the schemas of our own answers; and its word on query parameters, held."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi

from tapewatch.web.api import messages, problems, silence_messages
from tapewatch.web.api.deps import ApiSettings
from tapewatch.web.api.guard import OPEN_PATHS
from tapewatch.web.api.problems import FieldError, ProblemError

Document = dict[str, Any]  # Any: OpenAPI
_STRUCTS = (
    messages.AlertPage,
    messages.AlertDetail,
    messages.SignalPage,
    messages.IncidentPage,
    messages.IncidentDetail,
    messages.GroupPage,
    messages.GroupDetail,
    silence_messages.SilenceList,
    silence_messages.SilenceView,
    messages.AuditPage,
    messages.DeadLetterPage,
    messages.BarPage,
    messages.CaseView,
    messages.TaskView,
    messages.Ready,
    messages.Alive,
    problems.Problem,
)
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
DESCRIPTION = """Alerts on abnormal market data, the incidents that join them, what people did about them, the ticks
behind them, and reports. Errors are problem documents (RFC 9457); lists are paged: follow `next` until it is null.
Times are RFC 3339; `from` is included, `to` is not."""


def build_document(app: FastAPI, settings: ApiSettings, report_formats: Mapping[str, str]) -> Document:
    """The whole document; every answer and error of every route is in it."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = document.setdefault("components", {})
    _, schemas = msgspec.json.schema_components(_STRUCTS, ref_template="#/components/schemas/{name}")
    components.setdefault("schemas", {}).update(schemas)
    _drop_nulls(document)
    _name_formats(document, report_formats)
    if settings.api_keys:
        components["securitySchemes"] = _SECURITY
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["security"] = [] if path in OPEN_PATHS else [{name: []} for name in _SECURITY]
    return document


def _drop_nulls(document: Document) -> None:
    """A parameter that is not given is absent: no text in a query or a header is JSON's null."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                options = [o for o in parameter["schema"].pop("anyOf", ()) if o != {"type": "null"}]
                if len(options) == 1:
                    parameter["schema"] |= options[0]
                elif options:
                    parameter["schema"]["anyOf"] = options


def _name_formats(document: Document, formats: Mapping[str, str]) -> None:
    """Say which formats there are, and in which media types their files come."""
    files = {media: {"schema": {"type": "string", "format": "binary"}} for media in sorted(set(formats.values()))}
    for path, method in (("/v1/reports", "post"), ("/v1/reports/{task_id}/file", "get")):
        operation = document["paths"][path][method]
        operation["responses"]["200"]["content"] = files
        for parameter in operation["parameters"]:
            if parameter["name"] == "format":
                parameter["schema"] = {"type": "string", "enum": list(formats), "default": next(iter(formats))}


class QueryRules:
    """Which query parameters each route takes, and which of them may be repeated, as its documentation says."""

    def __init__(self, document: Document) -> None:
        self._known: dict[tuple[str, str], dict[str, bool]] = {}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                taken = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
                self._known[method.upper(), path] = {p["name"]: _is_list(p["schema"]) for p in taken}

    def check(self, method: str, path: str, names: list[str]) -> None:
        """Raise a 422 that names each parameter that is unknown, with the nearest known one, or wrongly repeated."""
        known = self._known.get((method, path))
        if known is None:
            return  # a page that is not in the document
        errors = [FieldError(f"query.{name[:64]}", _unknown(name, known)) for name in set(names) if name not in known]
        errors += [
            FieldError(f"query.{name}", "given more than once")
            for name, many in known.items()
            if not many and names.count(name) > 1
        ]
        if errors:
            raise ProblemError(422, "; ".join(f"{e.field}: {e.message}" for e in errors[:3]), errors=errors[:20])


async def refuse_unknown_query(request: Request) -> None:
    """A dependency of every route: a misspelt filter must not look like a list without one."""
    if not request.scope["query_string"]:
        return
    rules: QueryRules = request.app.state.query_rules
    names = [name for name, _ in request.query_params.multi_items()]
    rules.check(request.method, getattr(request.scope.get("route"), "path_format", ""), names)


def _is_list(schema: Document) -> bool:
    return schema.get("type") == "array" or any(_is_list(option) for option in schema.get("anyOf", ()))


def _unknown(name: str, known: Mapping[str, bool]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"there is no such parameter; did you mean {near[0]}?"
    return f"there is no such parameter; there are {', '.join(sorted(known))}" if known else "takes no parameters"
