"""Bulk writes, looked at item by item: what was written, what stood there already, what is tried again or refused."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import msgspec
from elasticsearch import Elasticsearch

from tapewatch.model.errors import RetryableError
from tapewatch.stores.elasticsearch.client import answering

Refresh = Literal["false", "wait_for", "true"]
Fate = Literal["written", "conflict", "refused"]
_LATER = frozenset({429, 500, 502, 503, 504})
_HELD = frozenset({401, 403, 404})
"""What a person has to see to: no permission, an index that is blocked, or none. No document is the worse for it."""
_CONFLICT = 409
_MAX_BYTES, _MAX_ITEMS = 8 << 20, 5_000
_REASON_CHARS = 2000
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Operation:
    """One document of a bulk. `version` is external: it is written only where that is above the stored one. Without it,
    `create` writes only what is not there, and otherwise the document is overwritten if it is still the one of
    `seq_no` and `primary_term`."""

    index: str
    id: str
    source: bytes
    version: int | None = None
    create: bool = False
    seq_no: int | None = None
    primary_term: int | None = None

    def head(self) -> bytes:
        """The line before the document."""
        meta: dict[str, str | int] = {"_index": self.index, "_id": self.id}
        if self.version is not None:
            meta |= {"version": self.version, "version_type": "external"}
        if self.seq_no is not None and self.primary_term is not None:
            meta |= {"if_seq_no": self.seq_no, "if_primary_term": self.primary_term}
        return _encode({"create" if self.create else "index": meta})


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that Elasticsearch will never take, and why: it has to become a dead letter."""

    index: str
    id: str
    source: bytes
    reason: str


@dataclass(slots=True)
class BulkCounts:
    """What became of the documents so far; `retried` counts tries, the others documents."""

    written: int = 0
    conflict: int = 0
    refused: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class Retries:
    """How often an item is tried that the server was too busy for: the wait doubles from `first_s` to `most_s`, and
    each is drawn between half of it and all of it, so that writers do not come back together."""

    times: int = 8
    first_s: float = 0.1
    most_s: float = 10.0
    random: Random = field(default_factory=Random)
    sleep: Callable[[float], None] = time.sleep

    def wait(self, attempt: int) -> None:
        self.sleep(min(self.first_s * 2**attempt, self.most_s) * self.random.uniform(0.5, 1.0))


class _Item(msgspec.Struct):
    status: int
    error: dict[str, Any] | str | None = None


class _Answer(msgspec.Struct):
    items: list[dict[str, _Item]]


class BulkWriter:
    """Writes documents in order. For any number of threads, but `counts` is exact for one only.

    `refused` is called for each document that can never be written; it must keep it (a dead letter) or raise.
    """

    def __init__(
        self, client: Elasticsearch, refused: Callable[[Refused], None], retries: Retries | None = None
    ) -> None:
        self._client, self._refused = client, refused
        self._retries = retries or Retries()
        self.counts = BulkCounts()

    def write(self, operations: Sequence[Operation], refresh: Refresh = "false") -> list[Fate]:
        """What became of each, in their order. Several of one id take effect in their order.

        Raises RetryableError where the server does not answer, stays too busy or takes nothing into an index: some may
        have been written then, and the same call again is right for all that carry a version or `create`.
        """
        fates: list[Fate] = []
        for chunk in _chunks(operations):
            fates += self._write_chunk(chunk, refresh)
        return fates

    def _write_chunk(self, chunk: Sequence[Operation], refresh: Refresh) -> list[Fate]:
        fates: dict[int, Fate] = {}
        todo = list(range(len(chunk)))
        for attempt in range(self._retries.times):
            if attempt:
                self._retries.wait(attempt - 1)
                self.counts.retried += len(todo)
            later = []
            for at, item in zip(todo, self._send([chunk[at] for at in todo], refresh), strict=True):
                fate = self._fate(chunk[at], item)
                if fate is None:
                    later.append(at)
                else:
                    fates[at] = fate
            # What follows a busy item of the same id was tried as well: versions keep that right.
            todo = later
            if not todo:
                return [fates[at] for at in range(len(chunk))]
        raise RetryableError(f"Elasticsearch is too busy for {len(todo)} of {len(chunk)} documents")

    def _fate(self, operation: Operation, item: _Item) -> Fate | None:
        if item.status in _LATER:
            return None
        if item.status == _CONFLICT:
            self.counts.conflict += 1
            return "conflict"
        if item.status < 300:
            self.counts.written += 1
            return "written"
        reason = _encode(item.error).decode()[:_REASON_CHARS] if item.error else f"status {item.status}"
        if item.status in _HELD:
            raise RetryableError(f"Elasticsearch takes nothing into {operation.index} ({item.status}): {reason}")
        self.counts.refused += 1
        self._refused(Refused(operation.index, operation.id, operation.source, reason))
        return "refused"

    def _send(self, operations: Sequence[Operation], refresh: Refresh) -> list[_Item]:
        lines = [line for operation in operations for line in (operation.head(), operation.source)]
        try:
            with answering("writing documents"):
                response = self._client.perform_request(
                    "POST",
                    "/_bulk",
                    params={"refresh": refresh},
                    headers={"content-type": "application/x-ndjson", "accept": "application/json"},
                    body=lines,
                )
        except RetryableError as error:
            if error.__cause__ is not None and getattr(error.__cause__, "status_code", None) == 429:
                return [_Item(429) for _ in operations]  # the whole request was too much: as if each item was
            raise
        return [next(iter(item.values())) for item in msgspec.convert(response.body, _Answer).items]


def _chunks(operations: Sequence[Operation]) -> list[Sequence[Operation]]:
    chunks, first, size = [], 0, 0
    for at, operation in enumerate(operations):
        size += len(operation.source) + 200
        if size > _MAX_BYTES or at - first >= _MAX_ITEMS:
            if at > first:
                chunks.append(operations[first:at])
            first, size = at, len(operation.source) + 200
    if first < len(operations):
        chunks.append(operations[first:])
    return chunks
