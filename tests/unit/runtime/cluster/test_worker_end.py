"""The end of a worker."""

import signal
import time

from billiard import Process  # type: ignore[import-untyped]  # it has no types

from tapewatch.runtime.cluster.task import end_children


def test_a_process_that_waits_for_what_never_comes_is_killed() -> None:
    child = Process(target=time.sleep, args=(600,))
    child.start()
    end_children(0.1)
    child.join(10)
    assert child.exitcode == -signal.SIGKILL
