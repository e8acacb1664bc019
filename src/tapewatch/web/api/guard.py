"""Who may talk to the server at all: checks on Host, Origin, key and size, before any route sees a request."""

import ipaddress
import re
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tapewatch.model.errors import InputError
from tapewatch.web.api.deps import ApiSettings
from tapewatch.web.api.keys import find_key
from tapewatch.web.api.problems import SECURITY_HEADERS, problem_response

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/docs"})
_OPEN_PREFIX = "/docs/"
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def check_exposure(settings: ApiSettings) -> None:
    """Raise InputError where others could reach the API and no key is set."""
    if settings.api_keys or is_loopback(settings.host):
        return
    raise InputError(
        f"the API would listen on {settings.host!r}, which others can reach, and no API key is set: make one with "
        "`tapewatch api-key new` and put its hash into the settings, or listen on 127.0.0.1"
    )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


class Guard:
    """ASGI middleware. Answers with a problem document, or lets the request through with the caller's name."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app, self._settings = app, settings
        self._names = {"localhost", settings.host.lower(), *(name.lower() for name in settings.allowed_hosts)}
        self._origins = {origin.lower().rstrip("/") for origin in settings.allowed_origins}
        self._checks: tuple[Callable[[Scope, Headers], Response | None], ...] = (
            self._wrong_host,
            self._wrong_origin,
            self._no_key,
            self._too_large,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        for check in self._checks:
            refusal = check(scope, headers)
            if refusal is not None:
                await refusal(scope, receive, send_hardened)
                return
        await self._app(scope, receive, send_hardened)

    def _wrong_host(self, _scope: Scope, headers: Headers) -> Response | None:
        """DNS rebinding: a page's own name that was made to point here. An address needs no name, so it may stay."""
        match = _HOST.fullmatch(headers.get("host", ""))
        if match is not None and (match["name"].lower() in self._names or _address(match["name"]) is not None):
            return None
        return problem_response(421, "the Host header names a host that this server is not; allowed_hosts adds one")

    def _wrong_origin(self, scope: Scope, headers: Headers) -> Response | None:
        """A browser says which page a request comes from; a page of another origin may not drive this server."""
        origin = headers.get("origin")
        if origin is not None:
            same = origin.partition("://")[2].lower() == headers.get("host", "").lower()
            if not same and origin.lower() not in self._origins:
                return problem_response(403, "a web page of another origin may not call; allowed_origins adds one")
        elif headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _is_visit(scope, headers):
            return problem_response(403, "a web page of another site may not call")
        return None

    def _no_key(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._settings.api_keys:
            return None
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path in OPEN_PATHS or path.startswith(_OPEN_PREFIX):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        presented = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        key = find_key(presented, self._settings.api_keys)
        if key is None:
            detail = "send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`"
            return problem_response(401, detail, headers={"WWW-Authenticate": 'Bearer realm="tapewatch"'})
        scope["tapewatch.actor"] = key.name
        return None

    def _too_large(self, _scope: Scope, headers: Headers) -> Response | None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._settings.max_body_bytes:
            return problem_response(413, f"the body is larger than {self._settings.max_body_bytes} bytes")
        return None


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether a person followed a link: a GET that opens as a page of its own, whose content no other page sees."""
    return scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
