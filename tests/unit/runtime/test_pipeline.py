import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tapewatch.model.errors import CommitRefusedError, InputError
from tapewatch.model.ticks import Fate, FeedBatch
from tapewatch.runtime.embedded import open_on_disk
from tapewatch.runtime.pipeline import Pipeline, Sinks
from tapewatch.stores.port import AlertQuery
from tests.unit.runtime.pipeline_support import (
    NOW_NS,
    SHARD,
    CrashError,
    Fuse,
    Tape,
    claimed,
    engine,
    fused,
    memory,
    results,
    tape,
)


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What one run in one batch leaves."""
    sinks = memory()
    claimed(sinks).run(tape(), 100_000)
    found = results(sinks)
    assert len(found["alerts"]) > 20 and len(found["signals"]) > 20 and len(found["dead"]) > 10
    return found


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        assert found[name] == value, name


@pytest.mark.parametrize("limit", [1, 7, 1000, 100_000])
def test_any_batch_size_gives_the_same_in_memory(limit: int, expected: dict[str, Any]) -> None:
    sinks = memory()
    claimed(sinks).run(tape(), limit)
    assert_same(results(sinks), expected)


@pytest.mark.parametrize("limit", [7, 1000, 100_000])
def test_any_batch_size_gives_the_same_on_disk(limit: int, tmp_path: Path, expected: dict[str, Any]) -> None:
    stores = open_on_disk(tmp_path, SHARD, lambda: NOW_NS)
    claimed(stores.sinks).run(tape(), limit)
    assert_same(results(stores.sinks), expected)
    stores.close()


def test_every_record_has_one_fate_and_dead_ones_are_kept(expected: dict[str, Any]) -> None:
    assert sum(expected["fates"].values()) == expected["next"] == tape().end
    assert expected["fates"][Fate.DEAD] == len(expected["dead"]) == len(tape().dead)
    assert len(expected["ticks"]) == tape().end - expected["fates"][Fate.HEARTBEAT] - expected["fates"][Fate.DEAD]
    assert not expected["outbox"]


def test_the_history_has_a_batch_before_it_is_committed_and_alerts_follow_the_commit() -> None:
    log: list[str] = []
    claimed(fused(memory(), Fuse(10**9, log=log))).run(tape(), 200)
    committed = [i for i, name in enumerate(log) if name == "commit"]
    assert len(committed) == -(-tape().end // 200)
    assert all(log[i - 1] == "append" for i in committed)
    assert log.index("upsert") > committed[0]
    acks = [i for i, name in enumerate(log) if name == "ack"]
    assert acks and all(set(log[i - 3 : i]) & {"upsert"} for i in acks)
    assert log[-1] == "flush"


def _crash_and_go_on(sinks: Sinks, fuse: Fuse, limit: int) -> bool:
    """Run until the fuse blows; whether it did."""
    try:
        claimed(fused(sinks, fuse)).run(tape(), limit)
    except CrashError:
        return True
    return False


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_around_any_call_of_a_store_changes_nothing(after: bool, expected: dict[str, Any]) -> None:
    calls = 0
    while True:
        calls += 1
        sinks = memory()
        if not _crash_and_go_on(sinks, Fuse(calls, after), 400):
            break
        claimed(sinks).run(tape(), 350)
        assert_same(results(sinks), expected)
    assert calls > 30, "the fuse never blew in the middle"


@pytest.mark.parametrize("calls", [7, 9, 10, 13])
def test_crashing_again_and_again_it_comes_to_the_same_end(
    calls: int, tmp_path: Path, expected: dict[str, Any]
) -> None:
    for number in range(400):
        stores = open_on_disk(tmp_path, SHARD, lambda: NOW_NS)
        crashed = _crash_and_go_on(stores.sinks, Fuse(calls, after=number % 2 == 0), 300)
        if not crashed:
            break
        stores.database.close()  # and no more: as a crash leaves it
        stores.history._lock.release()
        stores.lock.release()
    assert number > 5
    assert_same(results(stores.sinks), expected)
    stores.close()


def test_a_shard_that_another_pipeline_claimed_refuses_the_first_and_takes_nothing_of_it(
    expected: dict[str, Any],
) -> None:
    sinks = memory()
    first = claimed(sinks)
    second = claimed(sinks)
    with pytest.raises(CommitRefusedError) as caught:
        first.run(tape(), 500)
    assert caught.value.reason == "epoch"
    assert first.progress.next == 0 and not sinks.alerts.page(AlertQuery())
    second.run(tape(), 500)
    assert_same(results(sinks), expected)


def test_a_pipeline_claims_before_it_runs() -> None:
    with pytest.raises(InputError, match="claim"):
        Pipeline(SHARD, engine(), memory(), lambda: NOW_NS).run(tape(), 500)


def test_an_error_of_the_committing_thread_ends_the_run_and_nothing_hangs() -> None:
    def refuse(_: object) -> None:
        raise ZeroDivisionError("in the committing thread")

    with pytest.raises(ZeroDivisionError):
        claimed(memory(), on_alerts=refuse).run(tape(), 1)


@dataclass(frozen=True)
class _Torn:
    """A feed that fails after its first batches."""

    whole: Tape
    identity: str = "torn"

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        yield from self.whole.up_to(1500).batches(start, limit)
        raise InputError("damaged at line 1501")


def test_what_a_feed_gave_before_it_failed_is_committed() -> None:
    sinks = memory()
    with pytest.raises(InputError, match="damaged"):
        claimed(sinks).run(_Torn(tape()), 100)
    assert results(sinks)["next"] == 1500


def test_a_stop_leaves_everything_that_was_judged_committed_and_the_rest_for_later(expected: dict[str, Any]) -> None:
    sinks, stop, judged = memory(), threading.Event(), [0.0]

    def count(records: float) -> None:
        judged[0] += records
        if judged[0] >= 1000:
            stop.set()

    pipeline = claimed(sinks)
    pipeline.run(tape(), 100, stop, count)
    assert judged[0] == pipeline.progress.next == results(sinks)["next"] == 1000
    claimed(sinks).run(tape(), 100)
    assert_same(results(sinks), expected)


def test_progress_counts_from_the_tapes_beginning_in_fates_and_from_its_own_in_records() -> None:
    sinks = memory()
    claimed(sinks).run(tape().up_to(1000), 300)
    second = claimed(sinks)
    assert (second.progress.next, second.progress.records) == (1000, 0)
    assert sum(second.progress.fates.values()) == 1000
    second.run(tape(), 300)
    assert sum(second.progress.fates.values()) == second.progress.next == tape().end
    assert second.progress.records == tape().end - 1000
