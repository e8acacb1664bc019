"""Price paths and volumes of the unplanted market, one market and day at a time.

Returns follow an EGARCH-like process (Nelson 1991, "Conditional heteroskedasticity in asset returns"): Student t
innovations shared through a market and a sector factor, a log-volatility that remembers the size of past innovations,
a volatility of the day, and the time of day's share. A day's end is drawn beforehand and the path is bridged to it, so
that every day can be made without the ones before it. The bridge moves a bar by about 1/sqrt(bars of a day) of its
standard deviation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.simulator.config import SimulatorConfig
from tapewatch.feeds.simulator.grid import Cells
from tapewatch.feeds.simulator.universe import SECTORS, Market, MarketKind, Stream, stream

Matrix = NDArray[np.float64]  # one row a symbol, one column a cell

_MARKET, _SECTOR = 0.5, 0.35  # loadings; the symbol's own part has the rest of the variance
_OWN = float(np.sqrt(1 - _MARKET**2 - _SECTOR**2))
_FACTOR_DF = 8.0  # an index has lighter tails than its members
_MEMORY_PER_MIN, _SHOCK = 0.97, 0.10  # persistence of log-volatility, weight of the last innovation's size
_SHOCK_CAP = 5.0
_DAY_MEMORY, _DAY_SPREAD = 0.8, 0.25  # of the day's log-volatility
_OVERNIGHT = 0.6  # a night's standard deviation against a day's
_VOLUME_SPREAD, _VOLUME_BY_MOVE, _MOVE_CAP = 0.35, 0.4, 8.0
MEAN_VOLUME_FACTOR = 1.45
"""Mean of what multiplies a cell's share of the day's volume, found by running it."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What ties the days of one market together; arrays have one row a day, one column a symbol."""

    log_open: Matrix
    log_close: Matrix
    log_vol: Matrix  # of the day, 0 on average


@dataclass(frozen=True, slots=True)
class Paths:
    """One market and day, before rounding: `log_close` at the end of each cell, `sigma` of each cell's log return."""

    log_open: NDArray[np.float64]
    log_close: Matrix
    sigma: Matrix
    volume: Matrix
    above: Matrix  # how far the high lies above open and close, in log price
    below: Matrix

    def volume_ratio(self, market: Market, cells: Cells) -> Matrix:
        """Volume of each cell against what is normal for the symbol at that time of day."""
        return self.volume / (cells.volume * (market.volume * MEAN_VOLUME_FACTOR)[:, None])


def skeleton(config: SimulatorConfig, market: Market, has_session: NDArray[np.bool_]) -> Skeleton:
    """Opens, closes and volatilities of all days; a day without a session stands still."""
    days = has_session.size
    draws = np.stack(
        [stream(config.seed, Stream.DAYS, market.kind, i).standard_normal((days, 3)) for i in range(market.size)],
        axis=1,
    )
    log_vol = np.empty((days, market.size))
    level = draws[0, :, 0] * _DAY_SPREAD
    for day in range(days):
        log_vol[day] = level
        if day + 1 < days:
            level = _DAY_MEMORY * level + _DAY_SPREAD * np.sqrt(1 - _DAY_MEMORY**2) * draws[day + 1, :, 0]
    moves = draws[:, :, 1] * market.sigma * np.exp(log_vol) * has_session[:, None]
    nights = draws[:, :, 2] * (_OVERNIGHT * market.sigma) * has_session[:, None]
    if market.kind is MarketKind.CRYPTO:
        nights[:] = 0.0
    nights[0] = 0.0
    log_close = market.log_price + np.cumsum(nights + moves, axis=0)
    return Skeleton(log_close - moves, log_close, log_vol)


def _student(rng: np.random.Generator, df: float, size: int) -> NDArray[np.float64]:
    """Student t scaled to variance 1."""
    return np.asarray(rng.standard_t(df, size) * np.sqrt((df - 2) / df), dtype=np.float64)


def _remember(shocks: Matrix, memory: float) -> Matrix:
    """x[t] = memory * x[t-1] + shocks[t], by doubling: log2(cells) passes instead of a loop over the cells."""
    step = 1
    while step < shocks.shape[1] and memory**step > 1e-4:
        shocks[:, step:] += memory**step * shocks[:, :-step]
        step *= 2
    return shocks


def _innovations(config: SimulatorConfig, market: Market, day: int, count: int) -> tuple[Matrix, Matrix, Matrix]:
    """(innovations of variance 1, standard normals for the volume, exponentials for highs and lows)."""
    shared = _student(stream(config.seed, Stream.MARKET, market.kind, day), _FACTOR_DF, count)
    sectors = [
        _student(stream(config.seed, Stream.SECTOR, market.kind, day, s), _FACTOR_DF, count) for s in range(SECTORS)
    ]
    z = np.empty((market.size, count))
    normal = np.empty((market.size, count))
    spread = np.empty((market.size, 2 * count))
    for i in range(market.size):
        rng = stream(config.seed, Stream.PATH, market.kind, day, i)
        z[i] = _OWN * _student(rng, config.df, count) + _MARKET * shared + _SECTOR * sectors[i % SECTORS]
        rng.standard_normal(out=normal[i])
        rng.standard_exponential(out=spread[i])
    return z, normal, spread


def day_paths(config: SimulatorConfig, market: Market, bones: Skeleton, day: int, cells: Cells) -> Paths:
    """The unplanted paths of one market on one day. Cost: about 0.2 us a cell and symbol."""
    count, minutes = len(cells), config.cell_s / 60
    z, normal, spread = _innovations(config, market, day, count)
    size = np.abs(z)
    shocks = np.zeros_like(z)
    shocks[:, 1:] = (np.minimum(size[:, :-1], _SHOCK_CAP) - 0.72) * (_SHOCK * np.sqrt(minutes))
    clustering = np.exp(_remember(shocks, _MEMORY_PER_MIN**minutes))
    sigma = clustering * cells.sigma * (market.sigma * np.exp(bones.log_vol[day]))[:, None]
    returns = sigma * z
    weights = np.square(sigma)
    weights /= weights.sum(axis=1, keepdims=True)
    target = bones.log_close[day] - bones.log_open[day]
    returns += weights * (target - returns.sum(axis=1))[:, None]
    volume = np.exp(_VOLUME_SPREAD * normal) * (1 + _VOLUME_BY_MOVE * np.minimum(size, _MOVE_CAP))
    volume *= cells.volume * market.volume[:, None] * np.sqrt(clustering)
    spread *= 0.4
    return Paths(
        log_open=bones.log_open[day],
        log_close=bones.log_open[day][:, None] + np.cumsum(returns, axis=1),
        sigma=sigma,
        volume=volume,
        above=spread[:, :count] * sigma,
        below=spread[:, count:] * sigma,
    )
