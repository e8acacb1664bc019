"""Seeded tapes: bars of many symbols, interleaved minute by minute, with volatility that clusters and heavy tails."""

from pathlib import Path

import numpy as np
import polars as pl

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import TickBatch, make_batch
from tapewatch.model.times import MINUTE_NS

START_NS = 1_744_034_400_000_000_000
VENUE = "binance"


def instruments(symbols: int) -> tuple[Instrument, ...]:
    """`symbols` pairs that trade around the clock."""
    return tuple(Instrument(VENUE, f"C{i:03d}/USDT") for i in range(symbols))


class Market:
    """Minute bars in pieces that follow each other, so that a tape of any length needs little memory.

    One bar in 20,000 is a jump of 4 to 12 percent on 20 times the volume, half of which comes back: once in two weeks
    of a symbol, about as often as the default rules are set to open.
    """

    def __init__(self, symbols: int, seed: int = 1) -> None:
        self.symbols = instruments(symbols)
        self._rng = np.random.default_rng(seed)
        self._log_price = np.log(self._rng.uniform(5.0, 500.0, symbols))
        self._log_vol = np.zeros(symbols)
        self._minute = 0

    def bars(self, minutes: int) -> TickBatch:
        """The next `minutes` bars of every symbol."""
        rng, symbols = self._rng, len(self.symbols)
        shape = (minutes, symbols)
        log_vol = np.empty(shape)
        for minute in range(minutes):
            self._log_vol = 0.98 * self._log_vol + rng.normal(0.0, 0.1, symbols)
            log_vol[minute] = self._log_vol
        returns = rng.standard_t(5, shape) * np.exp(log_vol) * 3e-4
        jumps = rng.random(shape) < 5e-5
        size = rng.uniform(0.04, 0.12, shape) * rng.choice((-1.0, 1.0), shape) * jumps
        returns += size
        returns[5:] -= 0.5 * size[:-5]
        path = self._log_price + np.cumsum(returns, axis=0)
        close = np.round(np.exp(path), 4)
        opened = np.round(np.exp(np.vstack([self._log_price, path[:-1]])), 4)
        self._log_price = path[-1]
        reach = np.round(np.abs(rng.normal(0.0, 2e-4, shape)) * close, 4)
        volume = np.round(rng.lognormal(6.0, 0.7, shape) * np.where(jumps, 20.0, 1.0)) + 1.0
        offset = self._minute * symbols + np.arange(minutes * symbols)
        self._minute += minutes
        return make_batch(
            self.symbols,
            len(offset),
            symbol_id=offset % symbols,
            kind=np.ones(len(offset)),
            ts_event_ns=START_NS + offset // symbols * MINUTE_NS,
            interval_ns=np.full(len(offset), MINUTE_NS),
            open=opened.ravel(),
            high=(np.maximum(opened, close) + reach).ravel(),
            low=(np.minimum(opened, close) - reach).ravel(),
            close=close.ravel(),
            volume=volume.ravel(),
            offset=offset,
        )


def as_trades(bars: TickBatch) -> TickBatch:
    """The closes alone, as trades: what a rule on prices needs."""
    return make_batch(
        bars.symbols,
        len(bars),
        symbol_id=bars.symbol_id,
        ts_event_ns=bars.ts_event_ns,
        close=bars.close,
        volume=bars.volume,
        offset=bars.offset,
    )


def write_csv(path: Path, rows: int, symbols: int = 500, seed: int = 1) -> None:
    """A file of bars: timestamp (RFC 3339), venue, symbol, open, high, low, close, volume."""
    market = Market(symbols, seed)
    names = pl.Series([i.symbol for i in market.symbols])
    left = -(-rows // symbols)
    with path.open("wb") as file:
        while left:
            batch = market.bars(min(left, 1000))
            left -= len(batch) // symbols
            frame = pl.DataFrame(
                {
                    "timestamp": pl.Series(batch.ts_event_ns).cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "venue": pl.repeat(VENUE, len(batch), eager=True),
                    "symbol": names.gather(pl.Series(batch.symbol_id)),
                    **{n: getattr(batch, n) for n in ("open", "high", "low", "close", "volume")},
                }
            )
            frame.write_csv(file, include_header=file.tell() == 0)
