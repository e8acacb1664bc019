"""Connections to Elasticsearch, and its errors by what the caller must do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from elastic_transport import ConnectionError as NoAnswer
from elastic_transport import TlsError, TransportError
from elasticsearch import ApiError, Elasticsearch, UnsupportedProductError

from tapewatch.model.errors import DeniedError, GiveUpError, InputError, RetryableError
from tapewatch.model.secret import Secret

_LATER = frozenset({408, 429, 500, 502, 503, 504})
_DENIED = frozenset({401, 403})
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


@dataclass(frozen=True, slots=True)
class ElasticSettings:
    """Where Elasticsearch is and how to get in; `prefix` stands before the name of every index and template.

    An `https` address is checked against `ca_file` (None: the system's authorities). Secrets never show, so an address
    must not carry any. Raises InputError for settings that contradict each other.
    """

    urls: tuple[str, ...] = ("http://127.0.0.1:9200",)
    api_key: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    ca_file: str | None = None
    prefix: str = ""
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise InputError("elasticsearch.urls: an address is http(s)://host:port")  # not shown: it may be secret
            if parts.username or parts.password:
                raise InputError("elasticsearch.urls: credentials belong in username and password, or in api_key")
        if not self.urls:
            raise InputError("elasticsearch.urls is empty")
        if bool(self.username) != bool(self.password) or (self.api_key and self.username):
            raise InputError("elasticsearch: either api_key, or username and password, or neither")


def connect(settings: ElasticSettings) -> Elasticsearch:
    """A client, for any number of threads; connects at the first call. Nothing is tried twice behind the caller."""
    options: dict[str, Any] = {"ca_certs": settings.ca_file} if settings.ca_file else {}
    if settings.api_key:
        options["api_key"] = settings.api_key.reveal()
    elif settings.username and settings.password:
        options["basic_auth"] = (settings.username, settings.password.reveal())
    hosts = [
        u if urlsplit(u).port else f"{u.rstrip('/')}:{443 if u.startswith('https') else 9200}" for u in settings.urls
    ]
    return Elasticsearch(hosts, request_timeout=settings.timeout_s, max_retries=0, retry_on_timeout=False, **options)


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn Elasticsearch's errors into ours; `what` says what was tried. No answer, or not now, is RetryableError."""
    try:
        yield
    except ApiError as error:
        raise _as_ours(error, what) from error
    except UnsupportedProductError as error:
        raise DeniedError(f"{what}: the server is not Elasticsearch") from error
    except TlsError as error:
        if _UNTRUSTED in error.message:
            raise DeniedError(f"{what}: the server's certificate is not trusted, see elasticsearch.ca_file") from error
        raise RetryableError(f"{what}: no secure connection to Elasticsearch: {error.message}") from error
    except NoAnswer as error:
        raise RetryableError(f"{what}: Elasticsearch does not answer") from error
    except TransportError as error:
        raise RetryableError(f"{what}: {error.message}") from error


def _as_ours(error: ApiError, what: str) -> DeniedError | RetryableError | GiveUpError:
    status = error.meta.status
    if status in _LATER:
        return RetryableError(f"{what}: Elasticsearch cannot now ({status})")
    if status in _DENIED:
        return DeniedError(f"{what}: Elasticsearch does not let us ({status}): check credentials and permissions")
    return GiveUpError(f"{what}: Elasticsearch refused ({status}): {error.message}")
