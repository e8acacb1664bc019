"""What people did, and the audit of it, in Elasticsearch.

No two documents change together there. So every change first becomes the one document `head`, by compare-and-set: the
audit entry with its number, and the case that it changed. From then on it has happened, for everybody: whoever writes
or reads next brings the case and the entry to their places before anything else, which repeats without harm. People
act a few times a minute; that all their changes go through one document costs nothing and numbers them without holes.
"""

import threading
from collections.abc import Sequence

import msgspec
from elasticsearch import Elasticsearch

from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.errors import CommitRefusedError, RetryableError
from tapewatch.stores.elasticsearch.bulk import BulkWriter, Operation
from tapewatch.stores.elasticsearch.client import answering
from tapewatch.stores.elasticsearch.indices import AUDIT, AUDIT_HEAD, CASES, SILENCES
from tapewatch.stores.elasticsearch.search import equal, read_by_id

_HEAD = "head"
_ATTEMPTS = 50  # of a change while others make theirs
_PAGE = 5_000
_encode = msgspec.json.Encoder().encode


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """The last change that was made; its place among the documents, to be replaced only if it is still the last."""

    entry: AuditEntry
    case: Case | None
    silence: Silence | None = None
    seq_no: int = -1
    primary_term: int = -1


class ElasticCaseStore:
    """A `CaseStore` on Elasticsearch; what is returned is as of now, whatever the refresh interval.

    `audit` and `cases` hold one document an entry and a case. A change costs about five round trips.
    """

    def __init__(self, client: Elasticsearch, writer: BulkWriter, *, prefix: str = "") -> None:
        """`ensure_indices` must have run."""
        self._client, self._writer = client, writer
        self._cases, self._audit, self._heads = (f"{prefix}{name}" for name in (CASES, AUDIT, AUDIT_HEAD))
        self._silences = f"{prefix}{SILENCES}"
        self._lock = threading.Lock()
        self._settled = 0  # changes up to this number are in their places

    def cases(self, alert_ids: Sequence[str]) -> dict[str, Case]:
        """As the port says."""
        self._settle(self._head())
        return self._read_cases(alert_ids)

    def put(self, case: Case, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        return self._change(entry, case)

    def audit_append(self, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        return self._change(entry, None)

    def put_silence(self, silence: Silence, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        return self._change(entry, None, silence)

    def silences(self) -> list[Silence]:
        """As the port says; at most 10,000."""
        self._settle(self._head())
        with answering(f"searching {self._silences}"):
            answer = self._client.search(index=self._silences, sort=[{"silence_id": {"order": "asc"}}], size=10_000)
        return [msgspec.convert(hit["_source"]["silence"], Silence) for hit in answer["hits"]["hits"]]

    def audit(self, subject: str | None, after: int, limit: int) -> list[AuditEntry]:
        """As the port says."""
        self._settle(self._head())
        found: list[AuditEntry] = []
        while len(found) < limit:
            size = min(limit - len(found), _PAGE)
            with answering(f"searching {self._audit}"):
                answer = self._client.search(
                    index=self._audit,
                    query={"bool": {"filter": equal(subject=subject)}},
                    sort=[{"seq": {"order": "asc"}}],
                    search_after=[found[-1].seq if found else after],
                    size=size,
                )
            hits = answer["hits"]["hits"]
            found += [msgspec.convert(hit["_source"], AuditEntry) for hit in hits]
            if len(hits) < size:
                break
        return found

    def _change(self, entry: AuditEntry, case: Case | None, silence: Silence | None = None) -> AuditEntry:
        for _ in range(_ATTEMPTS):
            head = self._head()
            self._settle(head)
            if case is not None:
                stored = self._read_cases([case.alert_id]).get(case.alert_id)
                version = stored.version if stored else 0
                if version != case.version - 1:
                    raise CommitRefusedError("version", case.version - 1, version)
            numbered = msgspec.structs.replace(entry, seq=(head.entry.seq if head else 0) + 1)
            made = _Head(entry=numbered, case=case, silence=silence)
            if self._replace(head, made):
                self._settle(made)
                return numbered
        raise RetryableError("the audit is being written by others")

    def _head(self) -> _Head | None:
        found = read_by_id(self._client, self._heads, [_HEAD]).get(_HEAD)
        if found is None:
            return None
        places = {"seq_no": found["_seq_no"], "primary_term": found["_primary_term"]}
        return msgspec.convert(dict(found["_source"]) | places, _Head)

    def _replace(self, head: _Head | None, by: _Head) -> bool:
        source = _encode({"entry": by.entry, "case": by.case, "silence": by.silence})
        if head is None:
            write = Operation(self._heads, _HEAD, source, create=True)
        else:
            write = Operation(self._heads, _HEAD, source, seq_no=head.seq_no, primary_term=head.primary_term)
        return self._writer.write([write]) == ["written"]

    def _settle(self, head: _Head | None) -> None:
        """Bring a change to its places. Repeats, by whomever, change nothing."""
        if head is None or head.entry.seq <= self._settled:
            return
        number = str(head.entry.seq)
        writes = [Operation(self._audit, number, _encode(head.entry), create=True)]
        if head.case is not None:
            case = head.case
            writes.append(Operation(self._cases, case.alert_id, _encode(case), version=case.version))
        if head.silence is not None:
            source = _encode({"silence_id": head.silence.silence_id, "silence": head.silence})
            writes.append(Operation(self._silences, head.silence.silence_id, source, version=head.entry.seq))
        self._writer.write(writes, "true")
        with self._lock:
            self._settled = max(self._settled, head.entry.seq)

    def _read_cases(self, alert_ids: Sequence[str]) -> dict[str, Case]:
        found = read_by_id(self._client, self._cases, list(alert_ids)) if alert_ids else {}
        return {alert_id: msgspec.convert(document["_source"], Case) for alert_id, document in found.items()}
