"""Records of the tape from a day's paths: rounded, in tape order, as columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.simulator.config import SimulatorConfig
from tapewatch.feeds.simulator.grid import Cells
from tapewatch.feeds.simulator.paths import MEAN_VOLUME_FACTOR, Matrix
from tapewatch.feeds.simulator.planting import BadPrint, PlantedDay
from tapewatch.feeds.simulator.universe import Market, Stream, stream
from tapewatch.model.ticks import DTYPES, Column, Kind
from tapewatch.model.times import SECOND_NS
from tapewatch.model.trade_ids import hash_trade_numbers

Columns = dict[str, Column]
"""The columns of `DTYPES` but `offset`; `trade_id` stands beside `trade_id_hash` until the batch is built."""

_TRADE_IDS_A_DAY = 1_000_000_000
_MAX_INTENSITY = 60.0
_HALF_SPREAD = 1e-4
_MILLISECOND_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class MarketDay:
    """One market's day, planted."""

    market: Market
    cells: Cells
    planted: PlantedDay


def bar_times(market: Market, cells: Cells, missing: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Starts of the bars of one market and day, in tape order: needs no prices, so that a tape can be entered late."""
    ts_ns = np.repeat(cells.ts_ns, market.size)
    return ts_ns if missing is None else ts_ns[~missing.T.ravel()]


def bars_of(config: SimulatorConfig, day: MarketDay) -> Columns:
    """Bars of one market and day, by time and symbol."""
    market, cells, planted = day.market, day.cells, day.planted
    paths = planted.paths
    close = _round_price(market.ticks_per_unit[:, None], np.exp(paths.log_close))
    first = _round_price(market.ticks_per_unit, np.exp(paths.log_open))
    opened = np.concatenate([first[:, None], close[:, :-1]], axis=1)
    high = _round_price(market.ticks_per_unit[:, None], np.maximum(opened, close) * (1 + paths.above))
    low = _round_price(market.ticks_per_unit[:, None], np.minimum(opened, close) * (1 - np.minimum(paths.below, 0.9)))
    values = {"open": opened, "high": high, "low": low, "close": close, "volume": _round_volume(market, paths.volume)}
    for bad in planted.bad_prints:
        _spoil_bar(values, bad, market)
    columns: Columns = {name: matrix.T.ravel() for name, matrix in values.items()}
    columns["ts_event_ns"] = bar_times(market, cells, None)
    columns["symbol_id"] = np.tile(np.arange(market.first, market.first + market.size, dtype=np.int32), len(cells))
    if planted.missing is not None:
        keep = ~planted.missing.T.ravel()
        columns = {name: column[keep] for name, column in columns.items()}
    return _complete(columns, Kind.BAR, config.cell_ns)


def trades_of(config: SimulatorConfig, number: int, day: MarketDay) -> Columns:
    """Trades of one market on day `number`, by time and symbol; times are whole milliseconds."""
    parts = [_symbol_trades(config, number, day, row) for row in range(day.market.size)]
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    order = np.argsort(joined["ts_event_ns"], kind="stable")
    return _complete({name: column[order] for name, column in joined.items()}, Kind.TRADE, 0)


def merge(parts: list[Columns]) -> Columns:
    """One tape from those of the markets: by time, stocks before crypto."""
    if len(parts) == 1:
        return parts[0]
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    order = np.argsort(joined["ts_event_ns"], kind="stable")
    return {name: column[order] for name, column in joined.items()}


def _complete(columns: Columns, kind: Kind, interval_ns: int) -> Columns:
    n = columns["ts_event_ns"].size
    columns["kind"] = np.full(n, kind, dtype=np.int8)
    columns["interval_ns"] = np.full(n, interval_ns, dtype=np.int64)
    for name in ("open", "high", "low"):
        columns.setdefault(name, columns["close"])
    for name in ("side", "trade_id_hash", "ts_append_ns"):
        columns.setdefault(name, np.zeros(n, dtype=DTYPES[name]))
    columns.setdefault("trade_id", np.zeros(n, dtype=np.int64))
    return columns


def _round_price(ticks_per_unit: NDArray[np.float64], price: Matrix) -> Matrix:
    """To the nearest tick, one tick at least. Dividing by a power of ten gives the float64 nearest to the decimal."""
    rounded: Matrix = np.maximum(np.rint(price * ticks_per_unit), 1.0) / ticks_per_unit
    return rounded


def _round_volume(market: Market, volume: Matrix) -> Matrix:
    rounded: Matrix = np.maximum(np.rint(volume * market.lots_per_unit), 1.0) / market.lots_per_unit
    return rounded


def _bad_price(price: float, bad: BadPrint, ticks_per_unit: float) -> float:
    if bad.factor == 0.0:
        return 0.0
    return float(max(np.rint(price * bad.factor * np.exp(bad.jump) * ticks_per_unit), 1.0) / ticks_per_unit)


def _spoil_bar(values: dict[str, Matrix], bad: BadPrint, market: Market) -> None:
    """A wrong factor takes the whole bar; a jump takes the close, which the next bar's open knows nothing of."""
    at, scale = (bad.row, bad.cell), float(market.ticks_per_unit[bad.row])
    if bad.factor != 1.0:
        for name in ("open", "high", "low", "close"):
            values[name][at] = _bad_price(values[name][at], bad, scale)
        return
    price = _bad_price(values["close"][at], bad, scale)
    values["close"][at] = price
    values["high"][at] = max(values["high"][at], price)
    values["low"][at] = min(values["low"][at], price)


def _symbol_trades(config: SimulatorConfig, number: int, day: MarketDay, row: int) -> Columns:
    market, cells, paths = day.market, day.cells, day.planted.paths
    rng = stream(config.seed, Stream.TRADES, market.kind, number, row)
    bad = [b for b in day.planted.bad_prints if b.row == row]
    counts = _trade_counts(config, day, row, rng)
    for print_ in bad:
        counts[print_.cell] = max(1, counts[print_.cell])
    total = int(counts.sum())
    cell = np.repeat(np.arange(counts.size), counts)
    into_ms = np.floor(rng.random(total) * config.cell_s * 1000)
    order = np.lexsort((into_ms, cell))
    into_ms = into_ms[order]
    close = paths.log_close[row]
    before = np.concatenate([paths.log_open[row : row + 1], close[:-1]])
    move = close - before
    buy = rng.random(total) < 0.5 + 0.3 * np.tanh(move / paths.sigma[row])[cell]
    side = np.where(buy, 1, -1).astype(np.int8)
    log_price = before[cell] + move[cell] * (into_ms / (config.cell_s * 1000)) + _HALF_SPREAD * side
    price = _round_price(market.ticks_per_unit[row], np.exp(log_price))
    for print_ in bad:
        at = int(np.searchsorted(cell, print_.cell))
        price[at] = _bad_price(price[at], print_, float(market.ticks_per_unit[row]))
    ids = np.arange(number * _TRADE_IDS_A_DAY + 1, number * _TRADE_IDS_A_DAY + 1 + total, dtype=np.int64)
    return {
        "ts_event_ns": cells.ts_ns[cell] + into_ms.astype(np.int64) * _MILLISECOND_NS,
        "symbol_id": np.full(total, market.first + row, dtype=np.int32),
        "close": price,
        "volume": _round_volume(
            market, (paths.volume[row] / np.maximum(counts, 1))[cell] * rng.exponential(size=total)
        ),
        "side": side,
        "trade_id": ids,
        "trade_id_hash": hash_trade_numbers(ids),
    }


def _trade_counts(config: SimulatorConfig, day: MarketDay, row: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Trades of each cell: more where the volume is, none where the feed is silent."""
    market, planted = day.market, day.planted
    flat = market.volume[row] * MEAN_VOLUME_FACTOR * float(day.cells.volume[day.cells.regular].mean())
    intensity = np.minimum(planted.paths.volume[row] / flat, _MAX_INTENSITY)
    counts: NDArray[np.int64] = rng.poisson(config.trades_per_min * config.cell_ns / (60 * SECOND_NS) * intensity)
    if planted.missing is not None:
        counts[planted.missing[row]] = 0
    return counts
