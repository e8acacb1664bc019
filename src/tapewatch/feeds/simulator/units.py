"""How large is large: what the unplanted market does once in 100 symbol-days, in each statistic that plants have.

It is found by running the unplanted generator on seeds that no market of a user has, and taking the 0.99 quantile of
the largest value of each symbol-day. Returns are counted in standard deviations of a day of that symbol, so that one
figure serves calm and wild symbols.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.simulator.config import SimulatorConfig
from tapewatch.feeds.simulator.grid import Cells, cells_of, day_spans
from tapewatch.feeds.simulator.paths import Matrix, Paths, day_paths, skeleton
from tapewatch.feeds.simulator.universe import Market, MarketKind, markets

FALL_CELLS, RECOVER_CELLS = 2, 6  # of a flash crash
PUMP_CELLS, DUMP_CELLS = 4, 10

_SEED = 0x7A9E_0000_0000  # apart from every seed that a person types
_CELLS_TO_RUN = 1_500_000  # bounds the time: about half a second
_MIN_DAYS, _MAX_SYMBOL_DAYS = 8, 2_000
_QUANTILE = 0.99


@dataclass(frozen=True, slots=True)
class Units:
    """Once in 100 symbol-days: log returns in standard deviations of a day, volume as a multiple of the normal."""

    move: float  # return of one cell, either way
    crash: float  # fall over FALL_CELLS that is made good within RECOVER_CELLS
    pump: float  # rise over PUMP_CELLS
    volume: float


def units(config: SimulatorConfig, kind: MarketKind) -> Units:
    """The units of one market. Cost: half a second the first time for a kind of market, then nothing."""
    stocks = kind is MarketKind.STOCK
    return _run(
        replace(config, seed=_SEED, stocks=int(stocks), crypto=int(not stocks), days=1, plan=None, trades_per_min=1.0)
    )


@lru_cache(maxsize=32)
def _run(config: SimulatorConfig) -> Units:
    cells_a_day = (390 * 60 if config.stocks else 86_400) // config.cell_s
    symbol_days = min(_MAX_SYMBOL_DAYS, max(200, _CELLS_TO_RUN // cells_a_day))
    symbols = max(1, symbol_days // 20)
    run = replace(config, stocks=symbols if config.stocks else 0, crypto=symbols if config.crypto else 0)
    run = replace(run, days=max(_MIN_DAYS, symbol_days // symbols))
    (market,) = markets(run)
    spans = day_spans(run)
    cells = [cells_of(run, market.kind, span) for span in spans]
    bones = skeleton(run, market, np.array([len(c) > 0 for c in cells]))
    largest: list[list[NDArray[np.float64]]] = []
    for day, day_cells in enumerate(cells):
        paths = day_paths(run, market, bones, day, day_cells)
        largest.append([statistic(market, paths, day_cells).max(axis=1) for statistic in _STATISTICS])
    columns = zip(*largest, strict=True)
    return Units(*(float(np.quantile(np.concatenate(column), _QUANTILE)) for column in columns))


def _log_prices(market: Market, paths: Paths, cells: Cells) -> Matrix:
    """Prices of the regular session in days' standard deviations, the one before it first."""
    path = np.concatenate([paths.log_open[:, None], paths.log_close], axis=1)
    keep = np.flatnonzero(cells.regular)
    scaled: Matrix = path[:, keep[0] : keep[-1] + 2] / market.sigma[:, None]
    return scaled


def _move(market: Market, paths: Paths, cells: Cells) -> Matrix:
    return np.abs(np.diff(_log_prices(market, paths, cells), axis=1))


def _crash(market: Market, paths: Paths, cells: Cells) -> Matrix:
    price = _log_prices(market, paths, cells)
    last = price.shape[1] - RECOVER_CELLS
    bottom = price[:, FALL_CELLS:last]
    return np.minimum(price[:, : last - FALL_CELLS] - bottom, price[:, FALL_CELLS + RECOVER_CELLS :] - bottom)


def _pump(market: Market, paths: Paths, cells: Cells) -> Matrix:
    price = _log_prices(market, paths, cells)
    rise: Matrix = price[:, PUMP_CELLS:] - price[:, :-PUMP_CELLS]
    return rise


def _volume(market: Market, paths: Paths, cells: Cells) -> Matrix:
    return paths.volume_ratio(market, cells)[:, cells.regular]


_STATISTICS: tuple[Callable[[Market, Paths, Cells], Matrix], ...] = (_move, _crash, _pump, _volume)
