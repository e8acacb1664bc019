"""Laws of the heartbeats: as the plain-Python definition has them, however the tape is cut."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.feeds.heartbeats import NO_TIME, HeartbeatGrid

GRID = 10


def by_definition(acting: list[int]) -> list[tuple[str, int]]:
    """Records as ("r", index), heartbeats as ("h", time), in tape order, with the one after the end."""
    tape: list[tuple[str, int]] = []
    clock: int | None = None
    for i, at in enumerate(acting):
        if at != NO_TIME:
            if clock is not None and at // GRID > clock // GRID:
                tape.append(("h", at // GRID * GRID))
            clock = at if clock is None else max(clock, at)
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
    grid = HeartbeatGrid(GRID)
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
