"""SIGKILL at any moment and a restart give what a run gives that was never interrupted."""

import random
import time
from pathlib import Path

import pytest

from tapewatch.model.ticks import Fate, Kind
from tests.e2e.support import PATIENCE_S, Forker, Left, Server, assert_same, position, start, wait_until, what_is_left

KILLS = 20


def test_the_tape_is_worth_the_test(uninterrupted: Left) -> None:
    """Else the comparison below would hold for want of anything to compare."""
    assert len(uninterrupted.alerts) > 50 and len(uninterrupted.signals) > 50 and len(uninterrupted.dead) > 20
    assert {a.state for a in uninterrupted.alerts} >= {"resolved"} and max(a.revision for a in uninterrupted.alerts) > 2
    assert {a.rule for a in uninterrupted.alerts} >= {"price_move_1m", "stale_feed", "bad_print"}
    assert uninterrupted.fates[str(int(Fate.DEAD))] == len(uninterrupted.dead)
    assert sum(uninterrupted.fates.values()) == uninterrupted.next
    read = uninterrupted.next - uninterrupted.fates[str(int(Fate.HEARTBEAT))] - len(uninterrupted.dead)
    assert uninterrupted.ticks.height == uninterrupted.ticks["offset"].n_unique() == read
    assert uninterrupted.ticks["kind"].unique().to_list() == [Kind.BAR]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_killed_twenty_times_it_leaves_what_an_uninterrupted_run_leaves(
    forker: Forker, market: Path, uninterrupted: Left, tmp_path: Path, seed: int
) -> None:
    rng, data = random.Random(seed), tmp_path / "data"
    landed = []
    for number in range(KILLS):
        server = forker.start(tmp_path / f"log-{number}", *_serve(rng, market, data))
        _wait_for_a_moment(rng, server, data, uninterrupted.next, number)
        server.kill()
        landed.append(position(data))
    assert landed == sorted(landed)
    assert len(set(landed)) > KILLS / 2, f"too few kills came while it worked: {landed}"
    assert landed[-1] < uninterrupted.next, "the last kill came after the end: nothing was left to go on with"

    server = start(tmp_path / "log-last", *_serve(rng, market, data), "--set", "feed.speed=0")
    wait_until(lambda: position(data) == uninterrupted.next, PATIENCE_S, "the end of the tape")
    server.ready()
    server.stop()
    assert_same(what_is_left(data), uninterrupted)


def _serve(rng: random.Random, market: Path, data: Path) -> list[str | Path]:
    """Batches of another size each time; slow enough that the tape outlasts the kills."""
    batch = rng.choice((1, 7, 50, 400))
    speed = rng.choice((20_000, 40_000))
    args: list[str | Path] = ["serve", market, "--data-dir", data, "--port", "0", "--speed", str(speed)]
    return [*args, "--set", f"engine.batch_ticks={batch}"]


def _wait_for_a_moment(rng: random.Random, server: Server, data: Path, end: int, number: int) -> None:
    """Every fourth time a moment in the start, else one after some more of the tape was committed."""
    if number % 4 == 3:
        time.sleep(rng.uniform(0.0, 1.0))
        return
    goal = position(data) + rng.randrange(1, end // KILLS // 2)
    wait_until(lambda: position(data) >= goal or server.end(0) is not None, 60, "some of the tape to be committed")
    time.sleep(rng.uniform(0.0, 0.03))
