"""CloudEvents headers on what tapewatch publishes (CloudEvents 1.0, Kafka protocol binding, binary mode).

The id is what consumers drop repeats by: it does not depend on how often, or when, something was published.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from tapewatch.model.times import format_rfc3339
from tapewatch.tape.kafka_publisher import Headers

EventKind = Literal["signal", "alert", "dead", "audit", "breadth", "market"]
_TYPE = "io.tapewatch."


class _Named(msgspec.Struct):
    """What the headers need of any payload of the outbox."""

    alert_id: str | None = None
    revision: int | None = None
    signal_id: str | None = None
    symbol: str | None = None
    timestamp: str | None = None
    source: str | None = None
    offset: int | None = None
    seq: int | None = None
    at_ns: int | None = None
    subject: str | None = None
    through_ns: int | None = None


_named = msgspec.json.Decoder(_Named)


def event_headers(kind: EventKind, payload: bytes, source: str, trace: Callable[[int], str] | None = None) -> Headers:
    """Headers of one published payload: JSON of what its kind says.

    `source` is a URI reference that names this installation, e.g. `/tapewatch/desk`; `trace` gives the W3C
    traceparent of the record at an offset, for payloads that stand at one; minutes are known by their time instead.
    """
    found = _named.decode(payload)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", _event_id(kind, found).encode()),
        ("ce_type", f"{_TYPE}{kind}".encode()),
        ("ce_source", source.encode()),
        ("content-type", b"application/json"),
    ]
    time = found.timestamp or (format_rfc3339(found.at_ns) if found.at_ns is not None else None)
    if time is not None:
        headers.append(("ce_time", time.encode()))
    if found.symbol is not None:
        headers.append(("ce_subject", found.symbol.encode()))
    position = found.offset if found.offset is not None else found.through_ns
    if trace is not None and position is not None:
        headers.append(("traceparent", trace(position).encode()))
    return headers


def trace_of(headers: Headers | None) -> str:
    """The W3C traceparent among the headers of a message; empty where there is none."""
    return _header(headers, "traceparent")


def event_of(headers: Headers | None) -> str:
    """The event id among the headers of a message; empty where there is none."""
    return _header(headers, "ce_id")


def _header(headers: Headers | None, wanted: str) -> str:
    for name, value in headers or ():
        if name == wanted and value is not None:
            return value.decode(errors="replace") if isinstance(value, bytes) else value
    return ""


def event_id(kind: EventKind, payload: bytes) -> str:
    """The id in the headers of one published payload."""
    return _event_id(kind, _named.decode(payload))


def _event_id(kind: EventKind, found: _Named) -> str:
    if kind == "alert":
        return f"{found.alert_id}:{found.revision}"
    if kind == "signal":
        return f"{found.signal_id}"
    if kind == "dead":
        return f"{found.source}:{found.offset}"
    if kind == "audit":
        return f"{found.subject}:{found.at_ns}"
    if kind == "market":
        return f"market:{found.through_ns}"
    return f"{found.source}:{found.through_ns}"
