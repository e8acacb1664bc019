"""One tape through seeded faults of every kind: no record uncounted, no alert missing, none invented, none twice."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, Fault
from tests.faults.run import Record, running
from tests.faults.stack import Servers

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]

COUNT = int(os.environ.get("FAULTS_COUNT", "20"))
SECONDS = float(os.environ.get("FAULTS_SECONDS", "300"))


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
        run.feed(SECONDS, rate=120_000 / SECONDS)
        loaded = 0
        for fault in chosen(run.chance):
            time.sleep(run.chance.uniform(1, 4))
            run.hit(fault, run.chance.uniform(5, 15))
            loaded += run.feeding
        run.measured["faults that were over before the tape"] = f"{loaded} of {COUNT}"
        run.finish(ledger_whole=False)
