"""Records that cannot be read, that detection cannot bear, that come late, or from tomorrow."""

from pathlib import Path

import pytest

from tests.faults.run import LONG, RATE, Record, running
from tests.faults.stack import Servers
from tests.faults.tapes import Damage, damaged, messages

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]


def test_exactly_the_bad_records_are_dead_letters_and_the_late_and_future_are_counted_as_such(
    servers: Servers, tmp_path: Path, record_property: Record
) -> None:
    seconds, damage = 300 if LONG else 60, Damage()
    with running("bad records", tmp_path, servers, record_property) as run:
        tape = damaged(list(messages(int(seconds * RATE))), damage, run.chance)
        run.cluster.begin(run.environment, doomed=("worker",))
        run.feed(seconds, tape)
        run.finish(patience_s=900)
        counted = run.measured["records"]
        assert isinstance(counted, dict)
        assert (counted["dead"], counted["future"]) == (damage.dead, damage.ahead) == (55, 10)
        assert counted["late"] > damage.late * seconds * RATE * 0.8
