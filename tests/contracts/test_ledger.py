"""What every NoticeLedger promises."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from tapewatch.model.secret import Secret
from tapewatch.runtime.cluster.servers import Running
from tapewatch.stores.memory import MemoryNoticeLedger
from tapewatch.stores.port import GivenUpNotices, LedgerRow, NoticeLedger
from tapewatch.stores.redis.client import connect
from tapewatch.stores.redis.notices import RedisNoticeLedger
from tapewatch.stores.sqlite import Database, SqliteNoticeLedger

ROW = LedgerRow(alert_id="a", revision=1, channel="email", recipient="desk@example.org", notice=b'{"x":1}')


class Ledger(NoticeLedger, GivenUpNotices, Protocol):
    """What is asked of each of the three."""


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.cluster)])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryNoticeLedger()
        return
    if request.param == "redis":
        client = connect(Secret(request.getfixturevalue("state_redis").address))
        yield RedisNoticeLedger(client, uuid.uuid4().hex)
        client.close()
        return
    database = Database(tmp_path / "db.sqlite")
    yield SqliteNoticeLedger(database, lambda: 7)
    database.close()


def _row(**changed: object) -> LedgerRow:
    return msgspec.structs.replace(ROW, **changed)


def test_a_notice_is_owed_once_a_key(ledger: Ledger) -> None:
    others = [_row(alert_id="b"), _row(revision=2), _row(channel="slack"), _row(recipient="risk@example.org")]
    assert ledger.owe([ROW, *others]) == [ROW, *others]
    assert ledger.owe([ROW, _row(alert_id="c")]) == [_row(alert_id="c")]
    assert ledger.owe([_row(notice=b"another text of the same notice")]) == []


def test_a_repeat_within_one_call_is_owed_once(ledger: Ledger) -> None:
    assert ledger.owe([ROW, _row(attempts=3)]) == [ROW]


def test_owing_again_does_not_bring_back_what_was_settled(ledger: Ledger) -> None:
    ledger.owe([ROW])
    ledger.settle(_row(state="done", attempts=1))
    assert ledger.owe([ROW]) == []
    assert ledger.due(10, 10) == []


def test_what_is_due_comes_oldest_first_and_not_before_its_time(ledger: Ledger) -> None:
    rows = [_row(alert_id=name, next_try_ns=at) for name, at in (("late", 30), ("b", 20), ("a", 10), ("never", 99))]
    ledger.owe(rows)
    assert [r.alert_id for r in ledger.due(30, 10)] == ["a", "b", "late"]
    assert [r.alert_id for r in ledger.due(30, 2)] == ["a", "b"]
    assert [r.alert_id for r in ledger.due(10, 10)] == ["a"]
    assert ledger.due(9, 10) == []


def test_a_channel_with_any_number_of_due_rows_can_be_left_out(ledger: Ledger) -> None:
    ledger.owe([_row(alert_id=f"{i:02d}", channel="hangs", next_try_ns=i) for i in range(30)])
    others = [_row(alert_id=f"o{i}", channel="works", next_try_ns=100 + i) for i in range(7)]
    ledger.owe(others)
    assert ledger.due(200, 5, {"hangs"}) == others[:5]
    assert ledger.due(200, 50, {"hangs"}) == others
    assert ledger.due(200, 50, {"hangs", "works"}) == []
    assert {r.channel for r in ledger.due(200, 30)} == {"hangs"}


def test_the_oldest_of_all_channels_come_first_and_no_more_than_asked_for(ledger: Ledger) -> None:
    rows = [_row(revision=i + 1, channel=name, next_try_ns=i) for i, name in enumerate(["slack", "email"] * 3)]
    ledger.owe(list(reversed(rows)))
    assert ledger.due(10, 4) == rows[:4]
    assert ledger.due(10, 0) == []
    assert ledger.due(10, 10, {"slack"}) == rows[1::2]
    assert ledger.due(10, 10, {"slack", "email"}) == []


@pytest.mark.parametrize("state", ["done", "dead", "suppressed"])
def test_only_pending_rows_are_due(ledger: Ledger, state: str) -> None:
    ledger.owe([ROW])
    ledger.settle(_row(state=state, last_error="refused"))
    assert ledger.due(10, 10) == []


def test_an_attempt_that_is_to_be_repeated_comes_back_as_it_was_settled(ledger: Ledger) -> None:
    ledger.owe([ROW])
    again = _row(attempts=2, next_try_ns=50, last_error="503")
    ledger.settle(again)
    assert ledger.due(49, 10) == []
    assert ledger.due(50, 10) == [again]


def test_what_was_given_up_can_be_looked_at_and_owed_again(ledger: Ledger) -> None:
    states = (("done", 1), ("dead", 5), ("suppressed", 2), ("dead", 4), ("dead", 6))
    rows = [_row(alert_id=f"{at}", state=state, next_try_ns=at, attempts=3) for state, at in states]
    ledger.owe([_row(alert_id=row.alert_id) for row in rows])
    for row in rows:
        ledger.settle(row)
    assert [row.alert_id for row in ledger.given_up(10)] == ["4", "5", "6"]
    assert ledger.given_up(2) == [rows[1], rows[4]]
    assert ledger.given_up(0) == []

    again = msgspec.structs.replace(rows[1], state="pending", attempts=0, next_try_ns=0)
    ledger.settle(again)
    assert [row.alert_id for row in ledger.given_up(10)] == ["4", "6"]
    assert ledger.due(0, 10) == [again]


@pytest.mark.parametrize("ledger", ["sqlite", pytest.param("redis", marks=pytest.mark.cluster)], indirect=True)
def test_who_was_told_of_an_alert_can_be_read(ledger: SqliteNoticeLedger | RedisNoticeLedger) -> None:
    rows = [
        *(_row(revision=revision, next_try_ns=revision) for revision in (2, 10, 1)),
        _row(revision=3, channel="slack", state="suppressed", last_error="silence"),
        _row(alert_id='a"'),
        _row(alert_id="a,"),
        _row(alert_id="aa"),
    ]
    ledger.owe(rows[:1])
    ledger.owe(rows[1:])
    ledger.settle(_row(revision=1, state="dead", attempts=5, last_error="no such user", next_try_ns=9))
    found = ledger.notices("a", 10)
    assert all(record.alert_id == "a" for record in found)
    told = [(r.revision, r.channel, r.state, r.attempts, r.reason) for r in sorted(found, key=lambda r: r.revision)]
    assert told == [
        (1, "email", "dead", 5, "no such user"),
        (2, "email", "pending", 0, None),
        (3, "slack", "suppressed", 0, "silence"),
        (10, "email", "pending", 0, None),
    ]
    assert len(ledger.notices("a", 2)) == 2
    assert [r.alert_id for r in ledger.notices('a"', 10)] == ['a"']
    assert ledger.notices("b", 10) == []


@pytest.mark.cluster
def test_what_was_muted_is_forgotten_in_redis_as_what_was_sent(state_redis: Running) -> None:
    client: Any = connect(Secret(state_redis.address))
    prefix = uuid.uuid4().hex
    ledger = RedisNoticeLedger(client, prefix)
    ledger.owe([_row(next_try_ns=5), _row(revision=2, state="suppressed", last_error="silence", next_try_ns=5)])
    ledger.settle(_row(state="done", next_try_ns=5))
    ledger.owe([_row(revision=3, next_try_ns=5)])
    assert ledger.prune(6) == 2
    assert [record.revision for record in ledger.notices("a", 10)] == [3]
    row = _row(revision=3, notice=b"x" * 5_000, next_try_ns=5)
    ledger.settle(row)
    assert ledger.due(5, 1) == [row]
    ledger.settle(msgspec.structs.replace(row, state="dead"))
    assert ledger.given_up(1)[0].notice == row.notice, "it may be sent again"
    ledger.settle(msgspec.structs.replace(row, state="done"))
    assert sum(map(len, client.hvals(f"{prefix}:{{notices}}:rows"))) < 500, "of what was sent the text is not kept"
    assert ledger.prune(6) == 1
    assert {key.decode() for key in client.scan_iter(f"{prefix}:*")} == {f"{prefix}:{{notices}}:channels"}
    client.close()
