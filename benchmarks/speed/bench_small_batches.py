"""Five detectors through the engine's public call in small batches: what a live feed would hand over.

Every call is `Engine.process` with a batch of columns, on symbols whose state is warm; the batches are cut beforehand.
"""

import statistics
import time

import numpy as np

from benchmarks.speed import rules, tapes
from benchmarks.speed.measure import Target, judge
from tapewatch.detection.engine import Engine
from tapewatch.model.ticks import TickBatch

SYMBOLS = 500
TARGETS = (Target("batch_64_ticks_per_s", "at least", 1e6), Target("single_tick_us", "at most", 25.0))


def _cut(tape: TickBatch, size: int, count: int) -> list[TickBatch]:
    return [tape.take(slice(at * size, (at + 1) * size)) for at in range(count)]


def _calls_us(engine: Engine, batches: list[TickBatch]) -> list[float]:
    took = []
    for batch in batches:
        began = time.perf_counter_ns()
        engine.process(batch)
        took.append((time.perf_counter_ns() - began) / 1e3)
    return took


def bench(rounds: int = 9, calls: int = 3_000) -> dict[str, object]:
    """The median over all calls of a round, and of that the median over rounds; 99 % of the calls are under `p99`."""
    market = tapes.Market(SYMBOLS)
    warm = market.bars(200)
    tape = market.bars(-(-64 * calls // SYMBOLS))
    sizes = {64: _cut(tape, 64, calls), 1: _cut(tape, 1, calls)}
    known = rules.calibration()
    rules.five(known).warm()
    took: dict[int, list[list[float]]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, batches in sizes.items():
            engine = rules.five(known)
            engine.process(warm)
            took[size].append(_calls_us(engine, batches))
    p50 = {
        size: statistics.median(statistics.median(calls) for calls in all_rounds) for size, all_rounds in took.items()
    }
    p99 = {
        size: statistics.median(float(np.quantile(c, 0.99)) for c in all_rounds) for size, all_rounds in took.items()
    }
    mean = {size: statistics.median(statistics.fmean(c) for c in all_rounds) for size, all_rounds in took.items()}
    values = {"batch_64_ticks_per_s": 64e6 / mean[64], "single_tick_us": p50[1]}
    figures = {
        "symbols": SYMBOLS,
        "batch_64_us": {"mean": round(mean[64], 1), "p50": round(p50[64], 1), "p99": round(p99[64], 1)},
        "single_tick_us": {"mean": round(mean[1], 1), "p50": round(p50[1], 1), "p99": round(p99[1], 1)},
    }
    return {"figures": figures, "targets": judge(TARGETS, values)}
