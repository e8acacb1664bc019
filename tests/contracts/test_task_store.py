"""What every TaskStore promises."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticSettings,
    ElasticTaskStore,
    Refused,
    connect,
    ensure_indices,
)
from tapewatch.stores.memory import MemoryTaskStore
from tapewatch.stores.port import ReportTask, TaskStore
from tapewatch.stores.sqlite import Database, SqliteTaskStore

TASK = ReportTask(task_id="t", status="queued", created_ns=1, updated_ns=1, request=b'{"format":"pdf"}')


@pytest.fixture(params=["memory", "sqlite", pytest.param("elasticsearch", marks=pytest.mark.cluster)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TaskStore]:
    if request.param == "memory":
        yield MemoryTaskStore()
        return
    if request.param == "elasticsearch":
        yield from _elastic(request.getfixturevalue("elasticsearch_server").address)
        return
    database = Database(tmp_path / "db.sqlite")
    yield SqliteTaskStore(database)
    database.close()


def _elastic(url: str) -> Iterator[TaskStore]:
    client = connect(ElasticSettings((url,)))
    prefix, refused = f"{uuid.uuid4().hex}-", list[Refused]()
    ensure_indices(client, prefix, only=("report-tasks", "report-files"))
    yield ElasticTaskStore(client, BulkWriter(client, refused.append), prefix=prefix, stale_s=0)
    assert refused == []
    for index in client.indices.get(index=f"{prefix}*", features="aliases"):
        client.indices.delete(index=index)
    client.close()


def _task(**changed: object) -> ReportTask:
    return msgspec.structs.replace(TASK, **changed)


def test_what_nobody_put_is_none(store: TaskStore) -> None:
    assert store.get("t") is None
    assert store.content("t") is None
    assert store.claim(5) is None


def test_a_put_overwrites_the_task_and_keeps_its_file(store: TaskStore) -> None:
    done = _task(status="done", file_name="r.pdf", media_type="application/pdf")
    store.put(TASK)
    store.put(done, b"%PDF\x00")
    store.put(msgspec.structs.replace(done, emailed=True))
    assert store.get("t") == msgspec.structs.replace(done, emailed=True)
    assert store.content("t") == b"%PDF\x00"
    store.put(done, b"")
    assert store.content("t") == b""


def test_the_oldest_queued_task_is_claimed_first(store: TaskStore) -> None:
    store.put(_task(task_id="new", created_ns=3))
    store.put(_task(task_id="old", created_ns=2))
    store.put(_task(task_id="finished", created_ns=1, status="done"))
    claimed = [store.claim(9), store.claim(10), store.claim(11)]
    assert [(c.task_id, c.status, c.attempts, c.updated_ns) for c in claimed if c] == [
        ("old", "running", 1, 9),
        ("new", "running", 1, 10),
    ]
    assert store.get("old") == claimed[0]


def test_a_task_is_claimed_by_one_of_many(store: TaskStore) -> None:
    store.put(TASK)
    claimed: list[ReportTask | None] = []
    threads = [threading.Thread(target=lambda: claimed.append(store.claim(2))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(task is not None for task in claimed) == 1


def test_running_tasks_start_again_after_a_restart(store: TaskStore) -> None:
    store.put(_task(task_id="a"))
    store.put(_task(task_id="b", status="failed", error="no font"))
    store.claim(2)
    assert store.requeue_running() == 1
    assert store.requeue_running() == 0
    again = store.claim(3)
    assert again is not None
    assert (again.task_id, again.attempts) == ("a", 2)
