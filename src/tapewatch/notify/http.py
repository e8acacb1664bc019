"""Posting JSON to a webhook: checked addresses only, no redirects, bounded in time, the answer's body left unread.

httpcore (what httpx stands on) is used directly: its network backend is the one place where a connection is made, so
that the address that was checked is the one that is used while Host, SNI and certificate stay those of the name; and
unlike httpx it never logs a URL, which for some webhooks is the secret.
"""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore

from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.model.secret import Secret
from tapewatch.model.times import SECOND_NS, datetime_to_ns
from tapewatch.notify.port import Delivery
from tapewatch.notify.targets import Targets

_RETRY = frozenset({408, 425, 429})
_LONGEST_WAIT_S = 3_600.0


def check_url(url: Secret) -> str:
    """Host of an http(s) URL. ValueError, which does not repeat the URL, where it is none or holds a user's name."""
    text = url.reveal()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https") or port == 0 or not (text.isascii() and text.isprintable()):
        raise ValueError("the URL is not one like https://hooks.example.org/path")
    if parts.username or parts.password or " " in text:
        raise ValueError("the URL may hold neither spaces nor a user and password")
    return host


def url_refusal(url: Secret, targets: Targets) -> str | None:
    """Why nothing may be posted to this URL, or None. Asks the URL only, no network, and does not repeat it."""
    host = check_url(url)
    if urlsplit(url.reveal()).scheme == "http" and not targets.allow_http:
        return f"{host}: unencrypted, and notify.targets.allow_http is not set"
    return targets.refusal(host)


class HttpPoster:
    """Posts to one URL. `connect_s` bounds reaching the host, `answer_s` all that follows until the answer's headers.

    Each attempt has a connection of its own: addresses are checked each time. The URL never shows in reasons or logs.
    """

    def __init__(
        self,
        url: Secret,
        targets: Targets,
        *,
        connect_s: float,
        answer_s: float,
        now: Callable[[], int],
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = check_url(url)
        self._url = url
        self._targets = targets
        self._timeouts = {"connect": connect_s, "write": answer_s, "read": answer_s, "pool": connect_s}
        self._total_s = connect_s + answer_s
        self._now = now
        self._tls = tls or ssl.create_default_context()
        self._monotonic = monotonic

    def post(self, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """Try once; never raises for what the other side does.

        2xx is done; 408, 425, 429 and 5xx are `retry` (with the Retry-After that was asked for), as are time-outs and
        lost connections; redirects, other answers and targets that may not be reached are `give_up`.
        """
        refused = url_refusal(self._url, self._targets)
        if refused:
            return Delivery("give_up", refused)
        backend = _CheckedBackend(self._targets, self._monotonic() + self._total_s, self._monotonic)
        url = httpcore.URL(self._url.reveal())
        given: list[tuple[bytes | str, bytes | str]] = list(headers.items())
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
                pool.stream("POST", url, headers=given, content=body, extensions={"timeout": self._timeouts}) as answer,
            ):
                return self._judge(answer.status, answer.headers)
        except GiveUpError as error:
            return Delivery("give_up", str(error))
        except RetryableError as error:
            return Delivery("retry", str(error))
        except httpcore.TimeoutException:
            return Delivery("retry", f"{self.host} did not answer in time")
        except httpcore.ProtocolError:
            return Delivery("retry", f"{self.host} did not answer in HTTP")
        except httpcore.NetworkError as error:
            failed = isinstance(error.__cause__ or error.__context__, ssl.SSLError)
            return Delivery("retry", f"{self.host}: {'TLS failed' if failed else 'the connection failed or was lost'}")

    def _judge(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Delivery:
        if 200 <= status <= 299:
            return Delivery("done")
        if 300 <= status <= 399:
            return Delivery("give_up", f"{self.host} answered {status}; redirects are not followed")
        if status in _RETRY or 500 <= status <= 599:
            given = next((v for k, v in headers if k.lower() == b"retry-after"), None)
            wait_s = None if given is None else retry_after_s(given, self._now())
            return Delivery("retry", f"{self.host} answered {status}", wait_s)
        return Delivery("give_up", f"{self.host} answered {status}")


def retry_after_s(value: bytes, now_ns: int) -> float | None:
    """Seconds that a Retry-After header (RFC 9110, 10.2.3) asks for, within 0..3600; None where it is no such thing.

    >>> retry_after_s(b"120", 0), retry_after_s(b"Thu, 01 Jan 1970 00:00:30 GMT", 0), retry_after_s(b"soon", 0)
    (120.0, 30.0, None)
    """
    text = value[:40].decode("latin-1").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((datetime_to_ns(moment) - now_ns) / SECOND_NS, 0.0), _LONGEST_WAIT_S)


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only, and holds each connection to one deadline."""

    def __init__(self, targets: Targets, deadline_s: float, monotonic: Callable[[], float]) -> None:
        self._targets = targets
        self._left_s: Callable[[], float] = lambda: deadline_s - monotonic()
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,  # Any: as httpcore declares it
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in self._targets.addresses(host, port):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, _shorter(timeout, self._left_s()), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._left_s)
        raise failure


class _DeadlineStream(httpcore.NetworkStream):
    """A stream whose time-outs shrink with the time left: httpcore's own start afresh with every byte that comes."""

    def __init__(self, stream: httpcore.NetworkStream, left_s: Callable[[], float]) -> None:
        self._stream = stream
        self._left_s = left_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _shorter(timeout, self._left_s()))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _shorter(timeout, self._left_s()))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _shorter(timeout, self._left_s()))
        return _DeadlineStream(secured, self._left_s)

    def get_extra_info(self, info: str) -> Any:  # Any: as httpcore declares it
        return self._stream.get_extra_info(info)


def _shorter(timeout_s: float | None, left_s: float) -> float:
    if left_s <= 0:
        raise httpcore.ReadTimeout("the whole attempt took too long")
    return left_s if timeout_s is None else min(timeout_s, left_s)
