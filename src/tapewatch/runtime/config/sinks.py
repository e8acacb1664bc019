"""The sections of what comes after detection on the cluster: Elasticsearch, the indexer, the archive, and the small
HTTP server by which each process of the cluster says how it is."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from tapewatch.model.secret import Secret

Days = Annotated[int, Meta(ge=1, le=36_500)]
Seconds = Annotated[float, Meta(gt=0, le=3_600)]


class Sink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of these sections: frozen, by keyword, and an unknown key is an error."""


def _has_credentials(url: str) -> bool:
    """Whether a user or a password stands in an address (of what cannot be parsed: whether an @ does)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "@" in url
    return parts.username is not None or parts.password is not None


class ElasticsearchSection(Sink, frozen=True):
    """Where alerts, signals, cases and reports are kept on the cluster."""

    urls: Annotated[tuple[str, ...], Meta(min_length=1)] = ("http://127.0.0.1:9200",)
    """Addresses of the nodes, `http(s)://host:port`; no credentials in them."""

    api_key: Secret | None = None
    """API key to log in with; or `username` and `password`; or none of them."""

    username: str | None = None
    """User to log in as."""

    password: Secret | None = None
    """Its password."""

    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""

    prefix: Annotated[str, Meta(pattern=r"^[a-z0-9-]*$")] = ""
    """Stands before the name of every index, e.g. `desk-`."""

    replicas: Annotated[int, Meta(ge=0, le=10)] = 0
    """Copies of each index beside the first; 0 for a single node."""

    refresh: Annotated[str, Meta(pattern=r"^[1-9][0-9]*(ms|s)$")] = "500ms"
    """How long a document may take to be found by searches."""

    timeout_s: Seconds = 30.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        if any(_has_credentials(url) for url in self.urls):
            raise ValueError("urls are shown: credentials belong in username and password, or in api_key")


class IndexerSection(Sink, frozen=True):
    """How alerts and signals get from Kafka into Elasticsearch."""

    group: str = "tapewatch-index"
    """Consumer group; several indexers share its partitions."""

    batch: Annotated[int, Meta(ge=1, le=5_000)] = 2_000
    """Most messages that are written at once; all that the indexer keeps in memory, beside what the client fetched."""

    signal_days: Days | None = 400
    """Days, counted from the end of their month, that signals are kept; without it, for ever."""

    tick_days: Days | None = 35
    """The same for ticks in `ticks-*`."""


class ArchiveSection(Sink, frozen=True):
    """Where the archiver keeps the ticks of the tape."""

    group: str = "tapewatch-archive"
    """Consumer group; each archiver takes partitions of its own."""

    url: str = "tapewatch-data/archive"
    """A folder, or the address of one on a file system that PyArrow or fsspec knows, e.g. `s3://bucket/ticks`. No
    credentials in it: PyArrow and fsspec take them from the environment."""

    parquet: bool = True
    """Whether ticks are kept in Parquet files."""

    elasticsearch: bool = False
    """Whether ticks are written to the indices `ticks-*` too."""

    flush_s: Seconds = 60.0
    """Seconds after which what was read becomes files; a full buffer becomes files at once."""

    flush_ticks: Annotated[int, Meta(ge=1, le=10_000_000)] = 250_000
    """Ticks of one partition that fill its buffer."""

    def __post_init__(self) -> None:
        if _has_credentials(self.url):
            raise ValueError("url is shown: credentials belong in the environment")


class OpsSection(Sink, frozen=True):
    """The HTTP server of each process of the cluster: `/metrics`, `/healthz`, `/readyz`."""

    host: str = "127.0.0.1"
    """Address to listen on. It needs no key and tells figures only."""

    port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    """Port to listen on; 0 lets the system choose; without it, there is no such server."""
