"""The tape of the comparison: round-robin symbols on a geometric walk with single jumps, and which jumps must be told.

Seeded, so that every contender reads the same bytes; the reference is computed in two passes, apart from all of them.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

WINDOW, THRESHOLD = 20, 6.0
PARTITIONS = 2
JUMP = 0.05
BEGIN = datetime(2025, 4, 7, 13, 30, tzinfo=UTC)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def partition(symbol: str) -> int:
    """Where a symbol's ticks go; the contenders neither know nor need the rule."""
    return zlib.crc32(symbol.encode()) % PARTITIONS


class Walk:
    """Prices of `count` symbols, a row at a time: 5 basis points a tick, jumps of 5 % that stay."""

    def __init__(self, count: int, seed: int = 7) -> None:
        self._rng = np.random.default_rng(seed)
        self.symbols = [f"S{i:04d}" for i in range(count)]
        self._price = self._rng.uniform(50, 500, count)

    def row(self, jump: Flags) -> list[Floats]:
        """Open, high, low, close and volume of every symbol; those of `jump` jump."""
        n = len(self.symbols)
        ret = self._rng.normal(0, 5e-4, n)
        side = np.where(self._rng.random(n) < 0.5, -JUMP, JUMP)
        side = np.where(self._price > 800, -JUMP, np.where(self._price < 30, JUMP, side))
        before = self._price
        close = before * np.exp(ret) * (1 + jump * side)
        self._price = close
        high, low = np.maximum(before, close) * 1.0002, np.minimum(before, close) * 0.9998
        return [before, high, low, close, self._rng.integers(100, 9999, n).astype(np.float64)]


def message(symbol: str, timestamp: str, values: tuple[float, float, float, float, float]) -> bytes:
    """One bar as JSON, about 120 bytes."""
    o, h, low, c, v = values
    return (
        f'{{"symbol":"{symbol}","timestamp":"{timestamp}","open":{o:.2f},"high":{h:.2f},"low":{low:.2f},'
        f'"close":{c:.2f},"volume":{v:.0f}}}'
    ).encode()


@dataclass(frozen=True, slots=True)
class Plan:
    """How long the tape is and how often something jumps."""

    rows: int
    symbols: int
    one_in: int  # ticks between jumps, on average

    @property
    def ticks(self) -> int:
        return self.rows * self.symbols


@dataclass(frozen=True, slots=True)
class Reference:
    """What has to be found: alerts by z over the 20 closes before, and the tick that ends each partition."""

    alerts: int
    near_ties: int  # so near to the threshold that rounding decides
    last: frozenset[str]  # symbols whose last tick is an alert, one a partition
    last_time: str


def last_of_partition(symbols: list[str]) -> list[int]:
    """Index of the symbol that comes last in each partition."""
    return [max(i for i, s in enumerate(symbols) if partition(s) == p) for p in range(PARTITIONS)]


def rows(plan: Plan, closes: Floats) -> Iterator[list[tuple[str, bytes]]]:
    """The messages, a row of all symbols at a time, as (symbol, JSON). Fills `closes` (rows, symbols), float64."""
    walk, rng = Walk(plan.symbols), np.random.default_rng(11)
    ends = last_of_partition(walk.symbols)
    jumped = np.full(plan.symbols, -100)
    for r in range(plan.rows):
        jump = (rng.random(plan.symbols) < 1 / plan.one_in) & (r - jumped > 25)
        if r > plan.rows - 26:
            jump[ends] = r == plan.rows - 1
        jumped[jump] = r
        columns = walk.row(jump)
        closes[r] = np.round(columns[3], 2)
        at = time_of(r)
        yield [
            (symbol, message(symbol, at, values))
            for symbol, values in zip(walk.symbols, zip(*(c.tolist() for c in columns), strict=True), strict=True)
        ]


def time_of(row: int) -> str:
    """The stamp of a row: one a second."""
    return (BEGIN + timedelta(seconds=row)).strftime("%Y-%m-%dT%H:%M:%SZ")


def reference(closes: Floats, symbols: list[str]) -> Reference:
    """Two passes over every window: no running sums, so that nothing is shared with what is measured."""
    alerts = ties = 0
    for r in range(WINDOW, len(closes)):
        window = closes[r - WINDOW : r]
        z = np.abs(closes[r] - window.mean(0)) / np.maximum(window.std(0), 1e-9)
        alerts += int((z >= THRESHOLD).sum())
        ties += int((np.abs(z - THRESHOLD) < 1e-6).sum())
    ends = frozenset(symbols[i] for i in last_of_partition(symbols))
    return Reference(alerts, ties, ends, time_of(len(closes) - 1))
