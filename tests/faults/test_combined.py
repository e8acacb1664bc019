"""One tape through seeded faults of every kind: no record uncounted, no alert missing, none invented, none twice."""

import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, Fault
from tests.faults.run import Record, running
from tests.faults.stack import Servers
from tests.faults.tapes import lasting, messages

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]

COUNT = int(os.environ.get("FAULTS_COUNT", "20"))
SECONDS = float(os.environ.get("FAULTS_SECONDS", "300"))
"""At least: the tape flows on for as long as the faults take."""
RECORDS = 120_000


def chosen(chance: random.Random) -> list[Fault]:
    """Every kind at least once where there is room, in any order."""
    found = [*FAULTS, *(chance.choice(FAULTS) for _ in range(COUNT))][:COUNT]
    chance.shuffle(found)
    return found


def test_nothing_is_lost_or_invented_through_faults_of_every_kind(
    servers: Servers, tmp_path: Path, record_property: Record
) -> None:
    with running("combined", tmp_path, servers, record_property) as run:
        run.cluster.begin(run.environment)
        enough = threading.Event()
        run.feed(SECONDS, lasting(messages(10 * RECORDS), RECORDS, enough), rate=RECORDS / SECONDS)
        for fault in chosen(run.chance):
            time.sleep(run.chance.uniform(1, 4))
            run.hit(fault, run.chance.uniform(5, 15))
        assert run.feeding
        enough.set()
        run.finish(ledger_whole=False)
