"""The API as an ASGI application, built from what it is given."""

import threading
import time

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

import tapewatch
from tapewatch.web.api import problems
from tapewatch.web.api.alert_stream import AlertStream
from tapewatch.web.api.deps import ApiDeps
from tapewatch.web.api.guard import Guard, check_exposure
from tapewatch.web.api.metrics import RequestMetrics
from tapewatch.web.api.routes import ROUTERS
from tapewatch.web.api.schema import QueryRules, build_document, refuse_unknown_query


def create_app(deps: ApiDeps) -> FastAPI:
    """Build the API. Raises InputError where others could reach it and no API key is set.

    `app.state.alert_stream.notify()` may be called, from any thread, after each change of the alert store: streams then
    show it at once and not at the next poll. A registry serves one application.
    """
    settings = deps.settings
    check_exposure(settings)
    app = FastAPI(
        title="tapewatch",
        version=tapewatch.__version__,
        summary="What is abnormal in live market data, and what was done about it.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown_query)],
        middleware=[
            Middleware(RequestMetrics, registry=deps.registry, clock_s=time.perf_counter),
            Middleware(Guard, settings=settings),  # refuses by Content-Length; the next one counts what does not say
            Middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes),
        ],
    )
    app.state.deps = deps
    app.state.alert_stream = AlertStream(deps.alerts, settings, deps.registry, deps.newest_change)
    app.state.render_slots = threading.BoundedSemaphore(settings.max_renders)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    document = build_document(app, settings, deps.reports.formats)
    app.state.document, app.state.query_rules = document, QueryRules(document)
    return app
