"""The turn to compile: held by one, given back by its end, and nothing to wait for where there is none."""

import threading
import time
from pathlib import Path

import pytest

from tapewatch.runtime.cluster.compiling import one_at_a_time


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAPEWATCH_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_the_second_one_waits_for_the_first() -> None:
    order = []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with one_at_a_time():
            order.append("second")

    thread = threading.Thread(target=second)
    with one_at_a_time():
        thread.start()
        begun.wait()
        time.sleep(0.25)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_one_that_keeps_its_turn_for_too_long_is_not_waited_for() -> None:
    with one_at_a_time():
        began = time.monotonic()
        with one_at_a_time(longest_s=0.2):
            waited = time.monotonic() - began
    assert 0.2 <= waited < 5


def test_where_nothing_can_be_kept_nobody_waits(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "file").touch()
    monkeypatch.setenv("TAPEWATCH_CACHE_DIR", str(cache / "file"))
    with one_at_a_time(), one_at_a_time():
        pass
