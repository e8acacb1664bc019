"""The simulated market as a feed: read from any offset, the same records every time."""

import hashlib
from collections.abc import Iterator

import numpy as np

from tapewatch.feeds.heartbeats import HeartbeatGrid, heartbeat_columns, insert_heartbeats
from tapewatch.feeds.simulator.config import SimulatorConfig
from tapewatch.feeds.simulator.simulation import simulation
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import FeedBatch, TickBatch

GENERATOR = 1
"""Raised when the generator changes what a configuration yields: a tape begun with another one is not resumed."""


class SimulatedFeed:
    """Implements `tapewatch.feeds.port.Feed`. Entering at a late offset skips days without making their prices (bars);
    with trades the days before are made and thrown away, at some million records a second."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config

    @property
    def identity(self) -> str:
        text = f"{GENERATOR} {self.config!r}"
        return "simulator:" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        """Yield the records from `start` to the end in batches of at most `limit`, a day at a time.

        Raises InputError for a negative start or a limit below 1.
        """
        if start < 0 or limit < 1:
            raise InputError(f"cannot read from offset {start} in batches of {limit}")
        grid, base = HeartbeatGrid(), 0
        market = simulation(self.config)
        interval_ns = self.config.cell_ns if self.config.mode == "bars" else 0
        for day in range(len(market.spans)):
            placed = grid.place(market.day_times(day) + interval_ns)
            end = base + placed.length
            if end > start:
                columns = market.day_records(day)
                del columns["trade_id"]
                ticks = insert_heartbeats(market.instruments, columns, placed, base)
                yield from _cut(ticks, base, max(start, base), limit)
            base = end
        last = grid.last()
        if last is not None and base >= start:
            beat = TickBatch(market.instruments, **heartbeat_columns(np.array([last], dtype=np.int64)))
            beat.offset[0] = base
            yield FeedBatch(beat, (), base, base + 1)


def _cut(ticks: TickBatch, base: int, start: int, limit: int) -> Iterator[FeedBatch]:
    for begin in range(start - base, len(ticks), limit):
        end = min(begin + limit, len(ticks))
        yield FeedBatch(ticks.take(slice(begin, end)), (), base + begin, base + end)
