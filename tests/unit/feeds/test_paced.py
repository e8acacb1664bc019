"""The paced feed: records when they are due, none earlier, none lost; the clock and the sleep are made up."""

from collections.abc import Iterator

import numpy as np
import pytest

from tapewatch.feeds.paced import paced
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import DeadLetter, FeedBatch, Kind, TickBatch, make_batch
from tapewatch.model.times import SECOND_NS


class Clock:
    def __init__(self) -> None:
        self.ns = 1_000_000 * SECOND_NS
        self.begin = self.ns

    def now(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 0.5
        self.ns += int(seconds * SECOND_NS)

    @property
    def elapsed_s(self) -> float:
        return (self.ns - self.begin) / SECOND_NS


class Listed:
    """A feed of trades at the given seconds, cut into batches of three; offsets in `dead` are dead letters."""

    identity = "listed"

    def __init__(self, seconds: list[float], dead: frozenset[int] = frozenset()) -> None:
        self.seconds, self.dead = seconds, dead

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        for begin in range(start, len(self.seconds), min(limit, 3)):
            end = min(begin + min(limit, 3), len(self.seconds))
            good = np.array([i for i in range(begin, end) if i not in self.dead], dtype=np.int64)
            letters = tuple(
                DeadLetter(source="listed", position=i, offset=i, reason="bad", raw="")
                for i in range(begin, end)
                if i in self.dead
            )
            yield FeedBatch(self._ticks(good), letters, begin, end)

    def _ticks(self, offsets: np.ndarray) -> TickBatch:
        ts = np.array([int(self.seconds[i] * SECOND_NS) for i in offsets], dtype=np.int64)
        kind = np.full(offsets.size, Kind.TRADE, dtype=np.int8)
        return make_batch((Instrument("XNAS", "A"),), offsets.size, ts_event_ns=ts, kind=kind, offset=offsets)


def test_without_a_speed_the_feed_is_given_as_it_is() -> None:
    feed = Listed([1, 2])
    assert paced(feed, None, lambda: 0, lambda _: None) is feed


@pytest.mark.parametrize("speed", [1.0, 10.0, 0.5])
def test_records_come_when_they_are_due(speed: float) -> None:
    clock, seconds = Clock(), [100.0, 100.5, 103.0, 103.0, 110.0, 111.5]
    came: list[tuple[float, int]] = []
    for batch in paced(Listed(seconds), speed, clock.now, clock.sleep).batches(0):
        came += [(clock.elapsed_s, int(offset)) for offset in batch.ticks.offset]
    assert [offset for _, offset in came] == list(range(6))
    for at_s, offset in came:
        due_s = (seconds[offset] - seconds[0]) / speed
        assert due_s - 1e-6 <= at_s <= due_s + 0.006


def test_offsets_and_dead_letters_are_covered_without_a_hole() -> None:
    clock = Clock()
    feed = Listed([1, 2, 3, 4, 5, 6, 7, 8], dead=frozenset({0, 3, 4, 5, 7}))
    at, dead = 0, []
    for batch in paced(feed, 2.0, clock.now, clock.sleep).batches(0):
        assert batch.start == at
        assert len(batch.ticks) + len(batch.dead) == batch.end - batch.start
        dead += [letter.offset for letter in batch.dead]
        at = batch.end
    assert at == 8
    assert dead == [0, 3, 4, 5, 7]


def test_a_long_wait_is_cut_and_the_pace_goes_on_after_it() -> None:
    clock = Clock()
    feed = paced(Listed([0, 1, 60_000, 60_001]), 1.0, clock.now, clock.sleep, longest_wait_s=5.0)
    assert sum(len(batch.ticks) for batch in feed.batches(0)) == 4
    assert clock.elapsed_s == pytest.approx(7.0, abs=0.02)


def test_times_that_go_back_do_not_stop_it() -> None:
    clock = Clock()
    feed = paced(Listed([10, 5, 11]), 1.0, clock.now, clock.sleep)
    assert sum(len(batch.ticks) for batch in feed.batches(0)) == 3
    assert clock.elapsed_s == pytest.approx(1.0, abs=0.01)


def test_it_starts_at_an_offset_and_keeps_the_identity() -> None:
    clock = Clock()
    feed = paced(Listed([0, 50, 51]), 1.0, clock.now, clock.sleep)
    assert feed.identity == "listed"
    assert [int(o) for batch in feed.batches(1) for o in batch.ticks.offset] == [1, 2]
    assert clock.elapsed_s == pytest.approx(1.0, abs=0.01)


def test_it_stops_while_it_waits() -> None:
    clock = Clock()
    feed = paced(Listed([0, 1, 1_000]), 1.0, clock.now, clock.sleep, stopped=lambda: clock.elapsed_s > 10)
    assert sum(len(batch.ticks) for batch in feed.batches(0)) == 2
    assert clock.elapsed_s < 11


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(InputError, match="speed"):
        paced(Listed([1]), speed, lambda: 0, lambda _: None)
