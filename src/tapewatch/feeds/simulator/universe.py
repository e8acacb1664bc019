"""The symbols of a simulated market and what is fixed for each: name, first price, volatility, volume, tick size."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.simulator.config import SimulatorConfig
from tapewatch.model.instruments import Instrument

_STOCKS = """
ACME BOLT CRUX DYNE EMBR FLUX GRID HALO IRIS JADE KITE LUMA MESA NOVA OPAL PEAK QUAY REEF SAGE TIDE UNIT VALE WAVE XENO
YARD ZINC
"""
_COINS = "AUR BYT CEL DRX ELM FRX GLD HEX ION JUL KOR LYN MOX NIM ORB PYX QRK RUN SOLA TRI"

SECTORS = 4


class Stream(IntEnum):
    """First word of a random stream's key: what the numbers are for."""

    UNIVERSE = 1
    DAYS = 2
    MARKET = 3
    SECTOR = 4
    PATH = 5
    TRADES = 6
    PLAN = 7


class MarketKind(IntEnum):
    """A market: the symbols that share sessions and factors."""

    STOCK = 0
    CRYPTO = 1


def stream(seed: int, purpose: Stream, *key: int) -> np.random.Generator:
    """The random numbers of one purpose: the same for the same key, independent of those of every other key."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, *key])))


@dataclass(frozen=True, slots=True)
class Market:
    """One market's symbols; arrays have one entry a symbol. `first` is the place of its first one among all symbols."""

    kind: MarketKind
    first: int
    instruments: tuple[Instrument, ...]
    log_price: NDArray[np.float64]  # before the first day
    sigma: NDArray[np.float64]  # standard deviation of a day's log return
    volume: NDArray[np.float64]  # of a day, in units of the asset
    ticks_per_unit: NDArray[np.float64]  # 1 / price step: powers of ten, so that dividing by it rounds correctly
    lots_per_unit: float  # 1 / volume step

    @property
    def size(self) -> int:
        return len(self.instruments)


def symbol_name(kind: MarketKind, index: int) -> str:
    """An invented name: nobody shall take a simulated crash for news about a real company."""
    names = (_STOCKS if kind is MarketKind.STOCK else _COINS).split()
    base = names[index % len(names)] + (str(index // len(names)) if index >= len(names) else "")
    return base if kind is MarketKind.STOCK else f"{base}/USDT"


def _market(config: SimulatorConfig, kind: MarketKind, first: int, count: int) -> Market:
    venue = config.stock_venue if kind is MarketKind.STOCK else config.crypto_venue
    draws = np.array([stream(config.seed, Stream.UNIVERSE, kind, i).standard_normal(3) for i in range(count)])
    if kind is MarketKind.STOCK:
        price = np.exp(np.log(90) + 0.7 * draws[:, 0])
        sigma = np.clip(np.exp(np.log(0.018) + 0.35 * draws[:, 1]), 0.008, 0.05)
        volume = np.exp(np.log(6e6) + 0.8 * draws[:, 2])
        ticks_per_unit = np.full(count, 100.0)
    else:
        price = np.exp(np.log(20) + 2.2 * draws[:, 0])
        sigma = np.clip(np.exp(np.log(0.035) + 0.35 * draws[:, 1]), 0.015, 0.09)
        volume = np.exp(np.log(4e7) + 0.8 * draws[:, 2]) / price
        ticks_per_unit = 10.0 ** np.maximum(4 - np.floor(np.log10(price)), 0)
    return Market(
        kind=kind,
        first=first,
        instruments=tuple(Instrument(venue, symbol_name(kind, i)) for i in range(count)),
        log_price=np.log(price),
        sigma=sigma,
        volume=volume,
        ticks_per_unit=ticks_per_unit,
        lots_per_unit=1.0 if kind is MarketKind.STOCK else 1000.0,
    )


def markets(config: SimulatorConfig) -> tuple[Market, ...]:
    """The markets with at least one symbol: stocks first. A symbol's numbers do not depend on how many others exist."""
    counts = ((MarketKind.STOCK, 0, config.stocks), (MarketKind.CRYPTO, config.stocks, config.crypto))
    return tuple(_market(config, kind, first, count) for kind, first, count in counts if count)
