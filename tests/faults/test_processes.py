"""Rows of the table on processes and servers that are killed, stopped, restarted and emptied, again and again."""

import threading
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults import faults as f
from tests.faults.run import LONG, RATE, Record, running
from tests.faults.stack import Servers
from tests.faults.tapes import lasting, messages

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]


class Row(NamedTuple):
    """So many times a fault, with an outage of so long, while a tape flows, for so long at least. `keeps`: the ledger
    of notices outlives it. `fences`: commits have to be refused meanwhile. `pause`: the range of seconds before each.
    """

    name: str
    fault: f.Fault
    times: int
    outage_s: float
    seconds: float
    keeps: bool = True
    fences: bool = False
    pause: tuple[float, float] = (1, 3)


ROWS = (
    Row("worker child", f.WORKER_CHILD, 20, 0, 90),
    Row("worker parent", f.WORKER, 5, 0, 90),
    Row("bridge", f.BRIDGE, 10, 0, 100),
    Row("kafka down 30 s", f.KAFKA, 1, 30, 60),
    Row("queue restarted", f.QUEUE_RESTARTED, 5, 1, 60),
    Row("queue emptied", f.QUEUE_FLUSHED, 5, 0, 60),
    Row("state killed", f.STATE_KILLED, 3, 1, 60),
    Row("state 5 s old", f.STATE_OLD, 3, 5, 60, keeps=False),
    Row("state emptied", f.STATE_FLUSHED, 2, 0, 60, keeps=False),
    Row("bridge removed and added", f.BRIDGE_AWAY, 12 if LONG else 5, 10, 120, pause=(10, 10)),
    Row("bridge stopped", f.BRIDGE_PAUSED, 1, 60, 120, fences=True),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.name.replace(" ", "-") for row in ROWS])
def test_nothing_is_lost_or_invented(row: Row, servers: Servers, tmp_path: Path, record_property: Record) -> None:
    with running(row.name, tmp_path, servers, record_property) as run:
        run.cluster.begin(run.environment)
        seconds, enough = 300 if LONG else row.seconds, threading.Event()
        least = int(seconds * RATE)
        run.feed(seconds, lasting(messages(3 * least), least, enough))
        for _ in range(row.times):
            time.sleep(run.chance.uniform(*row.pause))
            run.hit(row.fault, row.outage_s)
            run.measured["under load"] = run.feeding
            assert run.feeding
        enough.set()
        fenced = run.refused()
        run.finish(ledger_whole=row.keeps)
        run.measured["commits refused"] = fenced
        assert not row.fences or fenced > 0
