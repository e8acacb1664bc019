"""Report tasks and their files in Elasticsearch."""

import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import msgspec
from elasticsearch import Elasticsearch

from tapewatch.model.report_task import ReportTask
from tapewatch.model.times import SECOND_NS
from tapewatch.stores.elasticsearch.bulk import BulkWriter, Operation
from tapewatch.stores.elasticsearch.client import answering
from tapewatch.stores.elasticsearch.indices import REPORT_FILES, REPORT_TASKS
from tapewatch.stores.elasticsearch.search import Document, read_by_id

_CHUNK = 3 << 20  # bytes of a file in one document
_LOOK_AT = 20  # queued tasks of which one may still be free
_MANY = 1_000
_encode = msgspec.json.Encoder().encode


class _File(msgspec.Struct, frozen=True):
    """The first document of a file, beside its bytes: how many chunks it has."""

    data: str
    chunks: int


class ElasticTaskStore:
    """A `TaskStore` on Elasticsearch, for any number of processes: one task is claimed by one of them.

    A task that is new (queued, never tried) is only made where its id is not there yet, so that two schedulers make
    one. Running tasks are queued again only once nobody has written to them for `stale_s`: others may be at work.
    """

    def __init__(
        self,
        client: Elasticsearch,
        writer: BulkWriter,
        *,
        prefix: str = "",
        stale_s: float = 900.0,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """`ensure_indices` must have run."""
        self._client, self._writer, self._stale_ns = client, writer, int(stale_s * SECOND_NS)
        self._tasks, self._files = f"{prefix}{REPORT_TASKS}", f"{prefix}{REPORT_FILES}"
        self._now = now

    def put(self, task: ReportTask, content: bytes | None = None) -> None:
        """As the port says; None leaves a file that is there already."""
        if content is not None:
            parts = [content[i : i + _CHUNK] for i in range(0, len(content), _CHUNK)] or [b""]
            for number, part in enumerate(parts):
                document = _encode(_File(b64encode(part).decode(), len(parts)))
                self._writer.write([Operation(self._files, f"{task.task_id}:{number}", document)])
        new = task.status == "queued" and task.attempts == 0
        self._writer.write([Operation(self._tasks, task.task_id, _encode(task), create=new)], "true")

    def get(self, task_id: str) -> ReportTask | None:
        """The task as of now, None where there is none."""
        found = read_by_id(self._client, self._tasks, [task_id]).get(task_id)
        return None if found is None else _task(found)

    def content(self, task_id: str) -> bytes | None:
        """The finished file, None where there is none."""
        content, number, chunks = bytearray(), 0, 1
        while number < chunks:
            name = f"{task_id}:{number}"
            found = read_by_id(self._client, self._files, [name]).get(name)
            if found is None:
                return None
            part = msgspec.convert(found["_source"], _File)
            content += b64decode(part.data)
            number, chunks = number + 1, part.chunks
        return bytes(content)

    def claim(self, now_ns: int) -> ReportTask | None:
        """As the port says; the oldest of those that no other claims at the same moment."""
        for name in self._with_status("queued", _LOOK_AT):
            found = read_by_id(self._client, self._tasks, [name]).get(name)
            queued = None if found is None else _task(found)
            if found is None or queued is None or queued.status != "queued":
                continue
            running = msgspec.structs.replace(queued, status="running", attempts=queued.attempts + 1, updated_ns=now_ns)
            if self._replace(found, running):
                return running
        return None

    def requeue_running(self) -> int:
        """As the port says, of those that are stale."""
        count = 0
        for name in self._with_status("running", _MANY):
            found = read_by_id(self._client, self._tasks, [name]).get(name)
            task = None if found is None else _task(found)
            if found is None or task is None or task.status != "running":
                continue
            if self._now() - task.updated_ns >= self._stale_ns:
                count += self._replace(found, msgspec.structs.replace(task, status="queued"))
        return count

    def _with_status(self, status: str, limit: int) -> list[str]:
        with answering(f"searching {self._tasks}"):
            found = self._client.search(
                index=self._tasks,
                query={"term": {"status": status}},
                sort=[{"created_ns": {"order": "asc"}}, {"task_id": {"order": "asc"}}],
                source=False,
                size=limit,
            )
        return [hit["_id"] for hit in found["hits"]["hits"]]

    def _replace(self, found: Document, by: ReportTask) -> bool:
        place: dict[str, Any] = {"seq_no": found["_seq_no"], "primary_term": found["_primary_term"]}
        return self._writer.write([Operation(self._tasks, by.task_id, _encode(by), **place)], "true") == ["written"]


def _task(document: Document) -> ReportTask:
    return msgspec.json.decode(_encode(document["_source"]), type=ReportTask)
