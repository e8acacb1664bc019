"""Pages of documents in a stable order, however many there are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from elasticsearch import Elasticsearch

from tapewatch.stores.elasticsearch.client import answering
from tapewatch.stores.port import AlertQuery

_PAGE = 5_000  # below the 10,000 that a search may return at most
_KEEP = "1m"
_MIN, _MAX = -(2**63), 2**63 - 1

Filters = list[dict[str, Any]]
Document = Mapping[str, Any]


def read_page(
    client: Elasticsearch, index: str, filters: Filters, at: str, name: str, query: AlertQuery
) -> list[Document]:
    """At most `query.limit` documents in the order (at, name), after the query's cursor.

    `at` is the field of the time, `name` one that orders those of one time. A cursor needs it to be the public id.
    Larger pages than the server gives at once are read from one point in time, so that what is written meanwhile
    neither doubles nor hides a document.
    """
    if query.limit <= 0:
        return []
    order = "desc" if query.newest_first else "asc"
    filters = [*filters, *_between(at, query)]
    body: dict[str, Any] = {
        "query": {"bool": {"filter": filters}},
        "sort": [{at: {"order": order}}, {name: {"order": order}}],
        "track_total_hits": False,
    }
    if query.after is not None:
        body["search_after"] = [_clamp(query.after[0]), query.after[1]]
    if query.limit <= _PAGE:
        with answering(f"searching {index}"):
            found = client.search(index=index, size=query.limit, ignore_unavailable=True, **body)
        return [hit["_source"] for hit in found["hits"]["hits"]]
    return list(_read_many(client, index, body, query.limit))


def _read_many(client: Elasticsearch, index: str, body: dict[str, Any], limit: int) -> Iterator[Document]:
    with answering(f"searching {index}"):
        pit = client.open_point_in_time(index=index, keep_alive=_KEEP, ignore_unavailable=True)["id"]
    try:
        while limit > 0:
            with answering(f"searching {index}"):
                found = client.search(size=min(limit, _PAGE), pit={"id": pit, "keep_alive": _KEEP}, **body)
            pit, hits = found["pit_id"], found["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < min(limit, _PAGE):
                return
            body, limit = body | {"search_after": hits[-1]["sort"]}, limit - len(hits)
    finally:
        with answering(f"searching {index}"):
            client.options(ignore_status=404).close_point_in_time(id=pit)


def read_by_id(client: Elasticsearch, index: str, ids: Sequence[str]) -> dict[str, Document]:
    """The documents of these ids by id, each with its `_seq_no` and `_primary_term`, as of now, not as of the last
    refresh."""
    found: dict[str, Document] = {}
    for first in range(0, len(ids), _PAGE):
        with answering(f"reading {index}"):
            answer = client.mget(index=index, ids=list(ids[first : first + _PAGE]))
        for document in answer["docs"]:
            if document.get("found"):
                found[document["_id"]] = document
    return found


def equal(**values: str | None) -> Filters:
    """A filter for each field that has a value to be equal to."""
    return [{"term": {name: value}} for name, value in values.items() if value is not None]


def among(**values: Sequence[str] | None) -> Filters:
    """A filter for each field that has values to be one of; none of none."""
    return [{"terms": {name: list(value)}} for name, value in values.items() if value is not None]


def _between(at: str, query: AlertQuery) -> Filters:
    limits = {}
    if query.from_ns is not None:
        limits["gte"] = _clamp(query.from_ns)
    if query.to_ns is not None:
        limits["lt" if query.to_ns <= _MAX else "lte"] = _clamp(query.to_ns)
    return [{"range": {at: limits}}] if limits else []


def _clamp(value: int) -> int:
    return max(_MIN, min(value, _MAX))
