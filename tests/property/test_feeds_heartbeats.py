"""Laws of the heartbeats: as the plain-Python definition has them, however the tape is cut."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.feeds.heartbeats import NO_TIME, HeartbeatGrid
from tapewatch.model.times import DAY_NS, MINUTE_NS

GRID, LEAP = 10, 60


def by_definition(acting: list[int]) -> list[tuple[str, int]]:
    """Records as ("r", index), heartbeats as ("h", time), in tape order, with the one after the end."""
    tape: list[tuple[str, int]] = []
    clock: int | None = None
    before = 0
    for i, at in enumerate(acting):
        if at != NO_TIME:
            seen = at if clock is None or at <= clock + LEAP else min(at, before)
            if clock is not None and seen // GRID > clock // GRID:
                tape.append(("h", seen // GRID * GRID))
            clock, before = seen if clock is None else max(clock, seen), at
        tape.append(("r", i))
    if clock is not None:
        tape.append(("h", (clock + GRID - 1) // GRID * GRID))
    return tape


@given(
    st.lists(st.one_of(st.integers(-50, 200), st.just(NO_TIME)), max_size=40), st.lists(st.integers(0, 40), max_size=6)
)
def test_heartbeats_are_where_the_definition_puts_them_however_the_tape_is_cut(
    acting: list[int], cuts: list[int]
) -> None:
    grid = HeartbeatGrid(GRID, LEAP)
    edges = sorted({0, len(acting), *(c for c in cuts if c <= len(acting))})
    tape: dict[int, tuple[str, int]] = {}
    offset = 0
    for start, end in itertools.pairwise(edges):
        placed = grid.place(np.array(acting[start:end], np.int64))
        tape |= {offset + p: ("r", start + i) for i, p in enumerate(placed.records.tolist())}
        beats = zip(placed.heartbeats.tolist(), placed.times_ns.tolist(), strict=True)
        tape |= {offset + p: ("h", t) for p, t in beats}
        offset += placed.length
    last = grid.last()
    if last is not None:
        tape[offset] = ("h", last)
    assert [tape[o] for o in range(len(tape))] == by_definition(acting)


def test_one_wrong_date_moves_no_clock_and_a_tape_that_goes_on_after_a_long_pause_does() -> None:
    grid = HeartbeatGrid()
    minutes = [minute * MINUTE_NS for minute in range(4)]
    placed = grid.place(np.array([*minutes, 10_000 * DAY_NS, 4 * MINUTE_NS], np.int64))
    assert placed.times_ns.tolist() == [MINUTE_NS, 2 * MINUTE_NS, 3 * MINUTE_NS, 4 * MINUTE_NS]
    placed = grid.place(np.array([30 * DAY_NS, 30 * DAY_NS + MINUTE_NS], np.int64))
    assert (placed.times_ns.tolist(), placed.heartbeats.tolist()) == ([30 * DAY_NS], [1])
    assert grid.last() == 30 * DAY_NS
