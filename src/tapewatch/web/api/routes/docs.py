"""`/docs`: the API's own pages, from files that come with the installation, so that they work offline."""

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from tapewatch.web.api.messages import json_response
from tapewatch.web.api.problems import ProblemError

router = APIRouter(include_in_schema=False)
# Swagger UI sets styles from script and draws data: images; scripts come from here alone
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tapewatch API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"><noscript>This page needs JavaScript. The description itself: openapi.json</noscript></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_MEDIA = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_CACHED = {"Cache-Control": "public, max-age=3600"}


@router.get("/")
async def root(request: Request) -> Response:
    return RedirectResponse(request.scope.get("root_path", "") + "/docs", 307)


@router.get("/docs")
async def page() -> Response:
    return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": CSP})


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    return json_response(request.app.state.document)


@router.get("/docs/start.js")
async def start() -> Response:
    return Response(_START, media_type="text/javascript", headers=_CACHED)


@router.get("/docs/{name}")
def asset(name: Annotated[str, Path(max_length=50)]) -> Response:
    """Swagger UI (Apache-2.0) as the package fastapi-offline ships it."""
    if name not in _MEDIA:
        raise ProblemError(404, "the documentation has no such file")
    data = (files("fastapi_offline") / "static" / name).read_bytes()
    return Response(data, media_type=_MEDIA[name], headers=_CACHED)
