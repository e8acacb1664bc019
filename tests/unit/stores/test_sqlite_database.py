"""The database file: migrations, errors, threads, and what the death of the process leaves."""

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tapewatch.model.alerts import AuditEntry
from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.stores.port import ReportTask
from tapewatch.stores.sqlite import Database, SqliteCaseStore, SqliteShardStore, SqliteTaskStore
from tapewatch.stores.sqlite.schema import MIGRATIONS
from tests.factories import make_case

WRITER = """
import sys
from pathlib import Path
from tapewatch.model.ticks import Fate
from tapewatch.stores.port import Commit, OutboxEntry, StateRow
from tapewatch.stores.sqlite import Database, SqliteShardStore

store = SqliteShardStore(Database(Path(sys.argv[1])))
head, _ = store.claim("s", "i", "f")
n = head.next
while True:
    rows = [StateRow(f"row {i}", str(n + 1).encode() * 200) for i in range(50)]
    outbox = [OutboxEntry("alert", "TSLA", str(n).encode())]
    store.commit(Commit("s", "i", "f", head.epoch, n, n + 1, rows, outbox, {Fate.JUDGED: 1}))
    n += 1
    print(n, flush=True)
"""


def test_a_killed_process_leaves_next_rows_and_outbox_that_agree(tmp_path: Path) -> None:
    path, written = tmp_path / "db.sqlite", 0
    for kill in range(4):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(20 + 7 * kill):
            written = int(process.stdout.readline())
        time.sleep(0.003 * kill)  # at another moment of a commit each time
        process.kill()
        rest = process.stdout.read().split("\n")
        process.wait()
        written = max([written, *(int(line) for line in rest[:-1] if line)])

        database = Database(path)
        store = SqliteShardStore(database)
        head, rows = store.claim("s", "i", "f")
        outbox = store.drain("s", 10**6)
        database.close()
        assert head.next >= written  # what commit returned for is there
        assert {row.data for row in rows} == {str(head.next).encode() * 200}
        assert [int(entry.payload) for entry in outbox] == list(range(head.next))
        assert [entry.seq for entry in outbox] == list(range(1, head.next + 1))
        assert sum(head.fates.values()) == head.next


def test_a_new_file_gets_the_newest_schema_and_an_old_one_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "below" / "db.sqlite"
    database = Database(path)
    SqliteShardStore(database).claim("s", "i", "f")
    database.close()
    database = Database(path)
    with database.read() as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert SqliteShardStore(database).claim("s", "i", "f")[0].epoch == 2
    database.close()


def test_two_that_open_a_new_file_at_once_make_one_schema(tmp_path: Path) -> None:
    path, failures = tmp_path / "db.sqlite", []

    def open_it() -> None:
        try:
            Database(path).close()
        except (RetryableError, GiveUpError) as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_file_of_a_newer_tapewatch_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    with pytest.raises(GiveUpError, match="schema 9999"):
        Database(path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(GiveUpError, match=r"notes\.txt"):
        Database(path)
    with pytest.raises(GiveUpError, match=r"notes\.txt"):
        Database(path / "below a file" / "db.sqlite")


def test_a_file_that_somebody_else_writes_is_busy_and_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    store = SqliteShardStore(Database(path, busy_timeout_ms=20))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetryableError, match="busy"):
        store.claim("s", "i", "f")
    other.execute("ROLLBACK")
    other.close()
    assert store.claim("s", "i", "f")[0].epoch == 1


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "db.sqlite")
    with pytest.raises(ZeroDivisionError), database.write() as db:
        db.execute("INSERT INTO cases VALUES ('a', 1, x'00')")
        raise ZeroDivisionError
    with database.read() as db:
        assert db.execute("SELECT count(*) FROM cases").fetchone() == (0,)
    database.close()


def test_a_read_sees_one_state_while_others_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "db.sqlite")
    with database.read() as reader:
        assert reader.execute("SELECT count(*) FROM cases").fetchone() == (0,)
        with database.write() as writer:
            writer.execute("INSERT INTO cases VALUES ('a', 1, x'00')")
        assert reader.execute("SELECT count(*) FROM cases").fetchone() == (0,)
    with database.read() as reader:
        assert reader.execute("SELECT count(*) FROM cases").fetchone() == (1,)
    database.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    database = Database(tmp_path / "db.sqlite")
    with pytest.raises(GiveUpError, match="readonly"), database.read() as db:
        db.execute("INSERT INTO cases VALUES ('a', 1, x'00')")
    database.close()


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = Database(tmp_path / "db.sqlite")
    database.close()
    with pytest.raises(GiveUpError, match="is closed"):
        SqliteShardStore(database).drain("s", 1)
    with pytest.raises(GiveUpError, match="is closed"):
        SqliteShardStore(database).ack("s", 1)


def test_what_people_write_waits_for_the_disk_and_what_comes_of_the_tape_does_not(tmp_path: Path) -> None:
    database = Database(tmp_path / "db.sqlite")
    said: list[str] = []
    with database.write() as writer:  # all stores of the file write through this one connection
        writer.set_trace_callback(said.append)
    shards, cases = SqliteShardStore(database), SqliteCaseStore(database)
    entry = AuditEntry(seq=0, at_ns=0, actor="a", action="comment", subject="1", detail={})
    task = ReportTask(task_id="t", status="queued", created_ns=1, updated_ns=1, request=b"{}")
    for write, level in (
        (lambda: shards.claim("s", "i", "f"), "NORMAL"),
        (lambda: cases.put(make_case(version=1), entry), "FULL"),
        (lambda: shards.ack("s", 1), "NORMAL"),
        (lambda: cases.audit_append(entry), "FULL"),
        (lambda: SqliteTaskStore(database).put(task), "FULL"),
    ):
        said.clear()
        write()
        assert said[:2] == [f"PRAGMA synchronous = {level}", "BEGIN IMMEDIATE"]
    database.close()
