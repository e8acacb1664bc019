"""What every CaseStore promises."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import AuditEntry, Case, Comment
from tapewatch.model.errors import CommitRefusedError
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticCaseStore,
    ElasticSettings,
    Refused,
    connect,
    ensure_indices,
)
from tapewatch.stores.memory import MemoryCaseStore
from tapewatch.stores.port import CaseStore
from tapewatch.stores.sqlite import Database, SqliteCaseStore

ENTRY = AuditEntry(seq=0, at_ns=1, actor="ann", action="comment", subject="a", detail={"text": "look"})


@pytest.fixture(params=["memory", "sqlite", pytest.param("elasticsearch", marks=pytest.mark.cluster)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CaseStore]:
    if request.param == "memory":
        yield MemoryCaseStore()
        return
    if request.param == "elasticsearch":
        yield from _elastic(request.getfixturevalue("elasticsearch_server").address)
        return
    database = Database(tmp_path / "db.sqlite")
    yield SqliteCaseStore(database)
    database.close()


def _elastic(url: str) -> Iterator[CaseStore]:
    client = connect(ElasticSettings((url,)))
    prefix, refused = f"{uuid.uuid4().hex}-", list[Refused]()
    ensure_indices(client, prefix, only=("cases", "audit", "audit-head", "silences"))
    yield ElasticCaseStore(client, BulkWriter(client, refused.append), prefix=prefix)
    assert refused == []
    names = client.indices.get(index=f"{prefix}*", features="aliases")
    client.indices.delete(index=",".join(names))
    client.close()


def test_a_case_comes_back_as_it_was_put_with_its_audit_entry(store: CaseStore) -> None:
    case = Case(alert_id="a", version=1, comments=[Comment(author="ann", text="look", at_ns=1)])
    entry = store.put(case, ENTRY)
    assert entry == msgspec.structs.replace(ENTRY, seq=1)
    assert store.cases(["a", "unknown"]) == {"a": case}
    assert store.audit(None, 0, 10) == [entry]


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_put_that_does_not_follow_the_stored_version_is_refused_and_leaves_no_trace(
    store: CaseStore, version: int
) -> None:
    case = Case(alert_id="a", version=1)
    store.put(case, ENTRY)
    with pytest.raises(CommitRefusedError) as refused:
        store.put(Case(alert_id="a", version=version, assignee="bob"), ENTRY)
    assert refused.value.reason == "version"
    assert store.cases(["a"]) == {"a": case}
    assert len(store.audit(None, 0, 10)) == 1


def test_of_two_people_who_change_one_version_one_is_refused(store: CaseStore) -> None:
    store.put(Case(alert_id="a", version=1), ENTRY)
    outcomes: list[str] = []

    def change(assignee: str) -> None:
        try:
            store.put(Case(alert_id="a", version=2, assignee=assignee), ENTRY)
            outcomes.append("done")
        except CommitRefusedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=change, args=(str(i),)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done"] + ["refused"] * 5
    assert len(store.audit("a", 0, 10)) == 2


def test_the_audit_is_numbered_in_order_and_read_by_subject(store: CaseStore) -> None:
    subjects = ["a", "b", "a", "rules"]
    entries = [store.audit_append(msgspec.structs.replace(ENTRY, subject=s)) for s in subjects]
    assert [e.seq for e in entries] == [1, 2, 3, 4]
    assert store.audit(None, 0, 3) == entries[:3]
    assert store.audit(None, 2, 10) == entries[2:]
    assert store.audit("a", 1, 10) == [entries[2]]
    assert store.audit("nobody", 0, 10) == []


def test_a_silence_is_kept_with_its_audit_entry_and_ends_by_being_put_again(store: CaseStore) -> None:
    match = Matcher(symbols=("BTC/*",), min_severity="high")
    silences = [Silence(silence_id=k, owner="ann", reason="drill", expires_ns=900, match=match) for k in ("b", "a")]
    made = [store.put_silence(s, msgspec.structs.replace(ENTRY, subject=s.silence_id)) for s in silences]
    assert [entry.seq for entry in made] == [1, 2]
    assert store.silences() == [silences[1], silences[0]]
    over = msgspec.structs.replace(silences[0], expires_ns=500)
    store.put_silence(over, msgspec.structs.replace(ENTRY, action="expire_silence", subject="b"))
    assert store.silences() == [silences[1], over]
    assert [entry.action for entry in store.audit("b", 0, 10)] == ["comment", "expire_silence"]
