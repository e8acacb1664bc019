"""How many requests, and how long they took, by route template: never by address, which anybody can make up."""

import logging
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("tapewatch.access")
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"})
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """ASGI middleware, the outermost: refusals and errors count too. Time runs until the status line is sent, so that
    a stream's life is not taken for slowness. The log line has the template and no query: queries hold e-mail
    addresses."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, clock_s: Callable[[], float]) -> None:
        self._app, self._clock_s = app, clock_s
        labels = ("method", "route", "status")
        self._requests = Counter("tapewatch_http_requests", "HTTP requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "tapewatch_http_request_seconds",
            "Time until the answer began",
            ("method", "route"),
            registry=registry,
            buckets=_BUCKETS_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock_s()

        answered = False

        async def send_counted(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self._count(scope, message["status"], self._clock_s() - began)
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            # the answer to this, a 500, is made further out
            if not answered:
                self._count(scope, 500, self._clock_s() - began)
            raise

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path_format", "none")
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        logger.info("%s %s %d %.1f ms", method, route, status, seconds * 1e3)
