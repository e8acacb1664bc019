"""Plants put into the unplanted paths of a day: everything outside of them stays as it was."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.simulator.grid import Cells
from tapewatch.feeds.simulator.paths import MEAN_VOLUME_FACTOR, Matrix, Paths
from tapewatch.feeds.simulator.planning import (
    BURST_S,
    PUMP_GIVEN_BACK,
    REGIME_CELLS,
    SURGE_FLOOR,
    SURGE_SIGMAS,
    VOLUME_FADE_CELLS,
    Plant,
)
from tapewatch.feeds.simulator.units import FALL_CELLS, PUMP_CELLS
from tapewatch.feeds.simulator.universe import Market

_ROBUST = 0.73  # robust sigma of a scaled Student t with 3 to 4 degrees
_EVENT_VOLUME = {
    "drop": 4.0,
    "rise": 4.0,
    "level_shift": 4.0,
    "market_selloff": 4.0,
    "flash_crash": 5.0,
    "pump_dump": 6.0,
}


@dataclass(frozen=True, slots=True)
class BadPrint:
    """One impossible print: `price * factor * exp(jump)` in one cell, gone in the next."""

    row: int
    cell: int
    factor: float
    jump: float


@dataclass(frozen=True, slots=True)
class Left:
    """What plants of earlier days left behind, one entry a symbol."""

    log_level: NDArray[np.float64]  # added to the log price
    shares: NDArray[np.float64]  # that splits made of one


@dataclass(frozen=True, slots=True)
class PlantedDay:
    """A day after planting: paths, cells that are missing from the tape, and bad prints."""

    paths: Paths
    missing: NDArray[np.bool_] | None  # [symbols, cells]
    bad_prints: tuple[BadPrint, ...]


def plant_day(paths: Paths, plants: list[Plant], left: Left, market: Market, cells: Cells) -> PlantedDay:
    """Put the plants of one day in, on top of what earlier days' plants left behind. `paths` is left as it is."""
    log_open, log_close = paths.log_open + left.log_level, paths.log_close + left.log_level[:, None]
    volume = paths.volume * left.shares[:, None]
    planted = Paths(log_open, log_close, paths.sigma.copy(), volume, paths.above.copy(), paths.below.copy())
    missing: NDArray[np.bool_] | None = None
    bad: list[BadPrint] = []
    for plant in plants:
        if plant.kind == "stale_feed":
            missing = np.zeros(log_close.shape, dtype=np.bool_) if missing is None else missing
            missing[plant.row, plant.cell : plant.last + 1] = True
        elif plant.kind == "bad_print":
            jump = plant.log_size if plant.factor == 1.0 else 0.0
            bad.append(BadPrint(plant.row, plant.cell, plant.factor, jump))
        else:
            _apply(planted, plant, left, market, cells)
    return PlantedDay(planted, missing, tuple(bad))


def _apply(paths: Paths, plant: Plant, left: Left, market: Market, cells: Cells) -> None:
    row, cell, last = plant.row, plant.cell, plant.last
    path, volume = paths.log_close[row], paths.volume[row]
    match plant.kind:
        case "drop" | "rise" | "level_shift" | "market_selloff":
            path[cell:] += plant.log_size
        case "flash_crash":
            path[cell : last + 1] += plant.log_size * _ramps(FALL_CELLS, last - cell + 1 - FALL_CELLS, 1.0)
        case "pump_dump":
            path[cell : last + 1] += plant.log_size * _ramps(PUMP_CELLS, last - cell + 1 - PUMP_CELLS, PUMP_GIVEN_BACK)
            path[last + 1 :] += plant.log_size * (1 - PUMP_GIVEN_BACK)
        case "volume_surge":
            _surge(paths, plant, float(market.volume[row] * left.shares[row] * cells.volume[cell]))
        case "volatility_regime":
            _regime(paths, plant)
        case "open_close_volume":
            width = max(1, BURST_S * 1_000_000_000 // int(cells.ts_ns[1] - cells.ts_ns[0]))
            volume[cell : cell + width] *= plant.log_size
            volume[last + 1 - width : last + 1] *= plant.log_size
        case "overnight_gap":
            path[cell:] += plant.log_size
            paths.log_open[row] += plant.log_size
        case "announced_split":
            path[cell:] -= np.log(plant.log_size)
            paths.log_open[row] -= np.log(plant.log_size)
            volume[cell:] *= plant.log_size
    if plant.kind in _EVENT_VOLUME:
        volume[cell : last + 1] *= _EVENT_VOLUME[plant.kind]


def _ramps(there: int, back: int, given_back: float) -> NDArray[np.float64]:
    """From 0 to 1 in `there` cells and back by `given_back` in `back` cells."""
    rise = np.arange(1, there + 1) / there
    return np.concatenate([rise, 1 - given_back * np.arange(1, back + 1) / back])


def _surge(paths: Paths, plant: Plant, expected: float) -> None:
    """The volume of one cell together with a moderate move, which fades over the next cells."""
    row, cell = plant.row, plant.cell
    path = paths.log_close[row]
    before = path[cell - 1] if cell else paths.log_open[row]
    own = path[cell] - before
    wanted = max(SURGE_FLOOR, SURGE_SIGMAS * _ROBUST * float(paths.sigma[row, cell]))
    extra = np.copysign(max(0.0, wanted - abs(own)), own)
    fade = path[cell : cell + VOLUME_FADE_CELLS]
    fade += extra * (1 - np.arange(fade.size) / VOLUME_FADE_CELLS)
    paths.volume[row, cell] = max(paths.volume[row, cell], plant.log_size * expected * MEAN_VOLUME_FACTOR)


def _regime(paths: Paths, plant: Plant) -> None:
    """Returns grow to the square root of the variance's factor, and the path ends where it would have ended."""
    window = slice(plant.cell, plant.last + 1)
    path = paths.log_close[plant.row]
    before = path[plant.cell - 1] if plant.cell else paths.log_open[plant.row]
    returns = np.diff(path[window], prepend=before)
    ramp = np.minimum(np.arange(1, returns.size + 1) / REGIME_CELLS, 1.0)
    grow = np.sqrt(1 + (plant.log_size - 1) * ramp)
    extra: Matrix = np.cumsum((grow - 1) * returns)
    extra -= extra[-1] * np.arange(1, extra.size + 1) / extra.size
    path[window] += extra
    paths.sigma[plant.row, window] *= grow
    paths.above[plant.row, window] *= grow
    paths.below[plant.row, window] *= grow
