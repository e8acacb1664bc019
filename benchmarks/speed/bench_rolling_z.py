"""Rolling z of 1M closes of 500 interleaved symbols: the engine against polars and csp on the same arrays.

All flag |z| > threshold of a close against mean and population deviation of the 20 closes before it, and must find the
same number. polars runs in two formulations, of which the faster counts; csp in its vector form, one array of 500
closes a minute. The engine does more: it keeps state that outlives the call and makes an explained alert of each.
"""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "2")  # before polars is imported for the first time

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import csp
import numpy as np
import polars as pl
from csp import stats, ts

from benchmarks.speed import rules, tapes
from benchmarks.speed.measure import Target, Work, interleaved, judge

SYMBOLS, WINDOW = 500, 20
TARGETS = (Target("times_polars", "at least", 5.0), Target("times_csp", "at least", 5.0))
START = datetime(2025, 4, 7, tzinfo=UTC).replace(tzinfo=None)


def polars_over(frame: pl.DataFrame, threshold: float) -> int:
    """One expression, over symbols."""
    close = pl.col("close")
    z = (close - close.rolling_mean(WINDOW).shift(1)) / close.rolling_std(WINDOW, ddof=0).shift(1)
    query = frame.lazy().select(z=z.over("symbol", mapping_strategy="explode"))
    return query.filter(pl.col("z").abs() > threshold, pl.col("z").is_finite()).collect().height


def polars_grouped(frame: pl.DataFrame, threshold: float) -> int:
    """Grouped, aggregated, exploded."""
    close = pl.col("close")
    z = (close - close.rolling_mean(WINDOW).shift(1)) / close.rolling_std(WINDOW, ddof=0).shift(1)
    query = frame.lazy().group_by("symbol").agg(z=z.filter((z.abs() > threshold) & z.is_finite()))
    return query.explode("z").filter(pl.col("z").is_not_null()).collect().height


@csp.node  # type: ignore[untyped-decorator]  # csp has no types
def _count(x: ts[np.ndarray], mean: ts[np.ndarray], deviation: ts[np.ndarray], threshold: float) -> ts[int]:
    with csp.state():
        s_found = 0
    if csp.ticked(x) and csp.valid(mean, deviation):
        with np.errstate(invalid="ignore"):
            s_found += int(np.count_nonzero((np.abs(x - mean) > threshold * deviation) & (deviation > 0.0)))
        csp.output(s_found)


@csp.graph  # type: ignore[untyped-decorator]  # csp has no types
def _graph(curve: object, threshold: float) -> ts[int]:
    x = csp.curve(np.ndarray, curve)
    before = csp.baselib.delay(x, 1)
    mean = stats.mean(before, interval=WINDOW)
    deviation = stats.stddev(before, interval=WINDOW, ddof=0)
    return _count(x, mean, deviation, threshold)


def csp_vector(curve: list[tuple[timedelta, Any]], threshold: float) -> int:
    """One array of all symbols' closes a minute."""
    end = timedelta(minutes=len(curve) + 1)
    with csp.memoize(False):  # it would try to hash the arrays
        found = csp.run(_graph, curve, threshold, starttime=START, endtime=end, output_numpy=True)
    return int(found[0][1][-1])


def _contenders(batch: Any, threshold: float) -> dict[str, Callable[[], Work]]:
    known = rules.calibration()
    frame = pl.DataFrame({"symbol": batch.symbol_id, "close": batch.close})
    rows = batch.close.reshape(-1, SYMBOLS)
    curve = [(timedelta(minutes=i), row) for i, row in enumerate(rows)]

    def engine() -> Work:
        ready = rules.rolling_z(known, WINDOW, threshold)
        return lambda: int(ready.process(batch).events["fired"].sum())

    return {
        "tapewatch": engine,
        "polars_over": lambda: lambda: polars_over(frame, threshold),
        "polars_grouped": lambda: lambda: polars_grouped(frame, threshold),
        "csp": lambda: lambda: csp_vector(curve, threshold),
    }


def bench(rounds: int = 9, ticks: int = 1_000_000) -> dict[str, object]:
    """At two thresholds: alerts as rare as a desk could bear, and one tick in a hundred. The first is judged."""
    batch = tapes.as_trades(tapes.Market(SYMBOLS).bars(ticks // SYMBOLS))
    figures: dict[str, object] = {"ticks": ticks, "symbols": SYMBOLS, "window": WINDOW}
    values: dict[str, float] = {}
    for threshold in (8.0, 4.0):
        contenders = _contenders(batch, threshold)
        alerts = {name: prepare()() for name, prepare in contenders.items()}
        if len(set(alerts.values())) != 1:
            raise AssertionError(f"the contenders disagree: {alerts}")
        took = interleaved(contenders, rounds)
        own = took["tapewatch"].median_ms
        polars = min(took["polars_over"].median_ms, took["polars_grouped"].median_ms)
        ratios = {"times_polars": polars / own, "times_csp": took["csp"].median_ms / own}
        values = values or ratios
        figures[f"threshold_{threshold:g}"] = {
            "alerts": alerts["tapewatch"],
            "ns_a_tick": round(own * 1e6 / ticks, 1),
            **{name: round(ratio, 2) for name, ratio in ratios.items()},
            "took": {name: {k: round(v, 2) for k, v in asdict(t).items()} for name, t in took.items()},
        }
    return {"figures": figures, "targets": judge(TARGETS, values)}
