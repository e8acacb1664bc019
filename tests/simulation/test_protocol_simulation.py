"""Ten thousand seeded schedules of kills, delays, repeats, losses and rollbacks; and the ways of breaking the protocol.

A schedule that fails is run again by `Schedule(seed).run()`.
"""

import pytest

from tests.simulation.broken import BROKEN
from tests.simulation.schedule import Happened, Schedule
from tests.simulation.world import BrokenPromiseError

SCHEDULES, A_TEST = 10_000, 500


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SCHEDULES, A_TEST))
def test_nothing_is_lost_and_nothing_is_false_whatever_dies(first: int) -> None:
    happened = Happened()
    for seed in range(first, first + A_TEST):
        happened.add(Schedule(seed).run())
    quiet = [name for name in Happened.__slots__ if getattr(happened, name) < 10]
    assert not quiet, f"hardly ever happened in these schedules: {quiet}"


@pytest.mark.parametrize("name", BROKEN)
def test_a_protocol_broken_on_purpose_is_found_out(name: str) -> None:
    for seed in range(1_000):
        try:
            Schedule(seed, BROKEN[name]).run()
        except BrokenPromiseError:
            return
    raise AssertionError(f"a thousand schedules did not show: {name}")
