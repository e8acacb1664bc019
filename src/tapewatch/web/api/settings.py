"""The section `[api]` of the settings. Apart from what uses it, so that reading settings does not import FastAPI."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tapewatch.web.api.keys import ApiKey

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the API listens and whom it serves."""

    host: str = "127.0.0.1"
    """Address to listen on. Another than loopback is refused while no API key is set."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 8000
    """Port to listen on; 0 lets the system choose."""

    api_keys: tuple[ApiKey, ...] = ()
    """Who may call, each with a `name` and the `hash` that `tapewatch api-key new NAME` prints. Without any,
    everybody who can reach the address may."""

    allowed_hosts: tuple[str, ...] = ()
    """Further names (without port) that the Host header may carry; `localhost`, `host` and IP addresses always may."""

    allowed_origins: tuple[str, ...] = ()
    """Web origins (`https://desk.example.org`) of other pages that may call."""

    max_body_bytes: Annotated[int, Meta(ge=1_024, le=100_000_000)] = 65_536
    """Most bytes in the body of a request."""

    max_streams: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    """Most event streams that are open at once."""

    stream_keep_alive_s: Seconds = 15.0
    """Seconds of silence after which a stream says that it is still there."""

    stream_max_age_s: Seconds = 3_600.0
    """Seconds after which the server ends a stream; its client resumes where it was."""

    stream_poll_s: Seconds = 0.25
    """Seconds between two looks for new alerts."""

    max_renders: Annotated[int, Meta(ge=1, le=64)] = 2
    """Most reports that are made at once for callers that wait."""
