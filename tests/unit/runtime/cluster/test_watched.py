"""What becomes of the processes that `tapewatch cluster` watches."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tapewatch.model.errors import InputError
from tapewatch.runtime.cluster.local.stack import LocalCluster, Plan
from tapewatch.runtime.cluster.local.watched import Watched
from tapewatch.runtime.cluster.servers import Running, ServerMissingError
from tapewatch.runtime.cluster.servers.process import Launch
from tests.e2e.support import wait_until

Watch = Callable[..., Watched]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watched: list[Watched] = []

    def begin(code: str, *, once: bool = False) -> Watched:
        launch = Launch("it", [sys.executable, "-c", code], tmp_path, lambda: True, 10)
        watched.append(Watched("it", lambda: Running("", 0, launch), once=once))
        watched[-1].begin()
        return watched[-1]

    yield begin
    for each in watched:
        each.end()


def test_one_that_is_killed_is_started_again_and_that_is_seen(watch: Watch) -> None:
    it = watch("import time; time.sleep(60)")
    assert it.wait_up(5)
    first = it.seen().pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: it.seen().state == "up" and it.seen().pid not in {first, None}, 5, "a new process")
    seen = it.seen()
    assert seen.restarts == 1
    assert "killed by signal 9" in seen.note


def test_one_whose_work_has_an_end_is_left_at_it_but_not_at_a_failure(watch: Watch) -> None:
    done, failing = watch("pass", once=True), watch("raise SystemExit(3)", once=True)
    wait_until(lambda: done.seen().state == "ended", 5, "the end")
    wait_until(lambda: failing.seen().restarts >= 1, 5, "another start")
    assert "exit code 3" in failing.seen().note
    assert done.seen().restarts == 0


def test_one_that_is_ended_is_gone_and_stays_gone(watch: Watch) -> None:
    it = watch("import time; time.sleep(60)")
    assert it.wait_up(5)
    pid = it.seen().pid
    assert pid is not None
    it.end()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert (it.seen().state, it.seen().restarts) == ("stopped", 0)


def test_a_first_start_that_fails_says_why(tmp_path: Path) -> None:
    def start() -> Running:
        raise ServerMissingError("no such server")

    it = Watched("it", start)
    it.begin()
    assert not it.wait_up(5)
    assert it.seen().state == "failed"
    assert it.seen().note == "no such server"
    it.end()


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something else"):
        LocalCluster(Plan(tmp_path))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_folder_of_an_earlier_cluster_is_emptied_unless_it_is_kept(tmp_path: Path) -> None:
    LocalCluster(Plan(tmp_path / "c"))
    (tmp_path / "c" / "old").touch()
    LocalCluster(Plan(tmp_path / "c", keep=True))
    assert (tmp_path / "c" / "old").exists()
    LocalCluster(Plan(tmp_path / "c"))
    assert not (tmp_path / "c" / "old").exists()
