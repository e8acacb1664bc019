"""Any feed at a chosen speed: a historical file or a simulated market as if it happened now."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.heartbeats import acting_times
from tapewatch.feeds.port import Feed
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import FeedBatch
from tapewatch.model.times import SECOND_NS

_SHORTEST_SLEEP_S = 0.005  # records that come closer together are given in one batch
_LONGEST_SLEEP_S = 0.5  # so that a stop is noticed


def _never() -> bool:
    return False


def paced(
    feed: Feed,
    speed: float | None,
    now: Callable[[], int],
    sleep: Callable[[float], object],
    *,
    longest_wait_s: float | None = None,
    stopped: Callable[[], bool] = _never,
) -> Feed:
    """`feed` with its records given when they are due: real time at `speed` 1, N times as fast at N; None: at once.

    `now` is a monotonic clock in ns, `sleep` waits for seconds. A wait of more than `longest_wait_s` (a night, a
    weekend) is cut to that. When `stopped` says so, the feed ends before the record that it was waiting for. Identity,
    records and offsets are those of `feed`. Raises InputError for a speed that is not positive.
    """
    if speed is None:
        return feed
    if not speed > 0:
        raise InputError(f"speed is {speed}, it must be above 0")
    longest_ns = None if longest_wait_s is None else int(longest_wait_s * SECOND_NS)
    return _Paced(feed, _Pace(speed, longest_ns, now, sleep, stopped))


@dataclass(frozen=True, slots=True)
class _Pace:
    speed: float
    longest_ns: int | None
    now: Callable[[], int]
    sleep: Callable[[float], object]
    stopped: Callable[[], bool]


class _Paced:
    def __init__(self, feed: Feed, pace: _Pace) -> None:
        self._feed, self._pace = feed, pace

    @property
    def identity(self) -> str:
        return self._feed.identity

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        """The records of the feed, none before it is due."""
        pace = self._pace
        schedule = _Schedule(pace.speed, pace.longest_ns)
        for batch in self._feed.batches(start, limit):
            due_ns = schedule.due(acting_times(batch.ticks), pace.now())
            given = 0
            while given < len(batch.ticks):
                ready = int(np.searchsorted(due_ns, pace.now(), "right"))
                if ready > given:
                    yield _part(batch, given, ready)
                    given = ready
                elif pace.stopped():
                    return
                else:
                    wait_s = (int(due_ns[given]) - pace.now()) / SECOND_NS
                    pace.sleep(min(max(wait_s, _SHORTEST_SLEEP_S), _LONGEST_SLEEP_S))
            if not len(batch.ticks):
                yield batch


class _Schedule:
    """When on the clock each record is due; keeps its place from batch to batch."""

    def __init__(self, speed: float, longest_ns: int | None) -> None:
        self._speed, self._longest_ns = speed, longest_ns
        self._event_ns: int | None = None
        self._due_ns = 0

    def due(self, acting_ns: NDArray[np.int64], now_ns: int) -> NDArray[np.int64]:
        """Due times of the next records; they never go back, even where the tape's times do."""
        if not acting_ns.size:
            return acting_ns
        first = int(acting_ns[0]) if self._event_ns is None else self._event_ns
        if self._event_ns is None:
            self._due_ns = now_ns
        clock = np.maximum(np.maximum.accumulate(acting_ns), first)
        steps = np.diff(clock, prepend=first) / self._speed
        if self._longest_ns is not None:
            steps = np.minimum(steps, self._longest_ns)
        due = self._due_ns + np.cumsum(steps).astype(np.int64)
        self._event_ns, self._due_ns = int(clock[-1]), int(due[-1])
        return due


def _part(batch: FeedBatch, begin: int, end: int) -> FeedBatch:
    """The records [begin, end) of a batch; what is dead goes with the record that follows it."""
    ticks = batch.ticks
    from_offset = batch.start if begin == 0 else int(ticks.offset[begin - 1]) + 1
    to_offset = batch.end if end == len(ticks) else int(ticks.offset[end - 1]) + 1
    dead = tuple(letter for letter in batch.dead if from_offset <= letter.offset < to_offset)
    return FeedBatch(ticks.take(slice(begin, end)), dead, from_offset, to_offset)
