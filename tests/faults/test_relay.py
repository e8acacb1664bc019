"""The relay dies between Kafka's acknowledgement and the delete: who takes over finds what it sent on the topics."""

import threading
import time
from pathlib import Path

import pytest

from tests.faults.doomed import MARK
from tests.faults.run import LONG, RATE, Record, running
from tests.faults.stack import BRIDGES, Servers, wait_until
from tests.faults.tapes import lasting, messages

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
KILLS = 20


def test_what_was_acknowledged_and_not_deleted_is_repeated_at_most_once_a_kill(
    servers: Servers, tmp_path: Path, record_property: Record
) -> None:
    mark = tmp_path / "order"
    with running("relay between ack and delete", tmp_path, servers, record_property) as run:
        run.cluster.begin({**run.environment, MARK: str(mark)}, doomed=BRIDGES)
        seconds, enough = 300 if LONG else 220, threading.Event()
        least = int(seconds * RATE)
        run.feed(seconds, lasting(messages(3 * least), least, enough))
        for _ in range(KILLS):
            time.sleep(run.chance.uniform(0.5, 2))
            mark.touch()
            wait_until(lambda: not mark.exists(), 60, "a relay to take the order")
            wait_until(lambda: not all(map(run.cluster.lives, BRIDGES)), 10, "its process to be gone")
            run.cluster.supervise()
            run.recovers("relay killed", 15)
            run.measured["under load"] = run.feeding
            assert run.feeding
        enough.set()
        run.finish()
        sent = [int(died.name.rpartition("-")[2]) for died in tmp_path.glob("died-*")]
        run.measured |= {"kills": len(sent), "alerts that the killed had sent": sum(sent)}
        assert len(sent) == KILLS
        repeats = run.measured["repeats on the topic"]
        assert isinstance(repeats, int)
        assert repeats <= KILLS
