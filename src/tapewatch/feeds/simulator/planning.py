"""Which anomalies and traps are planted where, and how large: decided before a single price is made."""

from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tapewatch.alerts.labels import TRAP_KINDS, Label
from tapewatch.feeds.simulator.config import Plan, SimulatorConfig
from tapewatch.feeds.simulator.grid import Cells
from tapewatch.feeds.simulator.units import DUMP_CELLS, FALL_CELLS, PUMP_CELLS, RECOVER_CELLS, Units
from tapewatch.feeds.simulator.universe import Market, MarketKind, Stream, stream
from tapewatch.model.signals import Direction
from tapewatch.model.times import HOUR_NS, SECOND_NS

STALE_S = 1800
REGIME_CELLS = 60  # over which the variance rises
REGIME_VARIANCE = 2.0
BURST_S = 300
BURST_VOLUME = 4.0
OVERNIGHT_SIGMAS = 3.0
VOLUME_FADE_CELLS = 30
PUMP_GIVEN_BACK = 0.85
SURGE_FLOOR = 0.004  # of the price: volume with a move of less concerns nobody
SURGE_SIGMAS = 3.0  # robust ones: a robust sigma of a t with 3 to 4 degrees is about 0.73 of its standard deviation
QUIET_AFTER_NS = HOUR_NS
SPLITS = (2.0, 3.0, 4.0, 10.0, 0.1)
BAD_FACTORS = (10.0, 100.0, 0.1, 0.01, 0.0)

_OPEN_KINDS = frozenset({"overnight_gap", "announced_split"})  # they happen while the exchange is closed
_FACTOR_KINDS = frozenset({"stale_feed", "volume_surge", "volatility_regime", "open_close_volume", "announced_split"})
_MARGIN = (0.15, 0.85)  # the part of a session in which something is planted


@dataclass(frozen=True, slots=True)
class Plant:
    """One thing planted: into symbol `row` of its market on `day`, from `cell` to `last` (both included).

    `log_size` is signed: a log return, for volume and splits a factor, for a regime a factor of the variance.
    `carry` is what it leaves behind in the log price of later days.
    """

    kind: str
    event: int
    day: int
    row: int
    cell: int
    last: int
    log_size: float
    times: float
    carry: float = 0.0
    factor: float = 1.0  # of a bad print's price; 1 for a jump of `log_size`


@dataclass(frozen=True, slots=True)
class Split:
    """An announced split: from `ts_ns` one old share is `ratio` new ones (0.1: ten become one)."""

    venue: str
    symbol: str
    ts_ns: int
    ratio: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where something may be planted: a symbol's cell, and the first and last regular cell of that day."""

    day: int
    row: int
    cell: int
    begin: int
    end: int


class Planner:
    """Draws the plants of one market. Each symbol-day has its own random stream, so days do not depend on each other
    but through the level that a shift leaves behind."""

    def __init__(self, config: SimulatorConfig, plan: Plan, market: Market, units: Units) -> None:
        self._config, self._plan, self._market, self._units = config, plan, market, units
        self._kinds = [k for k in plan.kinds if market.kind is MarketKind.STOCK or k not in _OPEN_KINDS]
        self._single = [k for k in self._kinds if k != "market_selloff"]

    def day(self, day: int, cells: Cells) -> list[Plant]:
        """The plants of one day, by symbol and cell; none while warming up or where the exchange is closed."""
        if day < self._plan.warmup_days or not len(cells) or not self._kinds:
            return []
        regular = np.flatnonzero(cells.regular)
        if "market_selloff" in self._kinds:
            rng = stream(self._config.seed, Stream.PLAN, self._market.kind, day)
            if rng.random() < min(1.0, self._plan.rate) / len(self._kinds):
                return self._selloff(day, regular, rng)
        found: list[Plant] = []
        for row in range(self._market.size if self._single else 0):
            found += self._symbol_day(day, row, regular)
        return found

    def _symbol_day(self, day: int, row: int, regular: NDArray[np.intp]) -> list[Plant]:
        rng = stream(self._config.seed, Stream.PLAN, self._market.kind, day, row)
        low, high = _room(regular)
        distance = self._plan.min_distance_min * 60 // self._config.cell_s
        slots = max(1, min(int(np.ceil(self._plan.rate)), (high - low) // (2 * distance)))
        width = (high - low) / slots
        found: list[Plant] = []
        for slot in range(slots):
            kind = self._single[int(rng.integers(len(self._single)))]
            room = max(1.0, width - (distance if slots > 1 else 0))
            cell = int(regular[low + int(slot * width + rng.random() * room)])
            times = rng.uniform(*self._plan.times)
            if rng.random() >= self._plan.rate / slots or (slot and kind in _OPEN_KINDS):
                continue
            place = Place(day, row, cell, int(regular[0]), int(regular[-1]))
            found.append(self._plant(kind, place, times, rng))
            if kind == "volatility_regime":
                break  # it lasts to the end of the day
        return found

    def _event(self, day: int, row: int, cell: int) -> int:
        return ((day * 2 + self._market.kind) * 1_000_003 + row) * 100_003 + cell

    def _selloff(self, day: int, regular: NDArray[np.intp], rng: np.random.Generator) -> list[Plant]:
        low, high = _room(regular)
        cell = int(regular[rng.integers(low, high)])
        times = rng.uniform(*self._plan.times) * rng.uniform(1.0, 1.3, self._market.size)
        sizes = -times * self._units.move * self._market.sigma
        event = self._event(day, self._market.size, cell)
        return [
            Plant("market_selloff", event, day, row, cell, cell, float(size), float(times[row]), carry=float(size))
            for row, size in enumerate(sizes)
        ]

    def _plant(self, kind: str, place: Place, times: float, rng: np.random.Generator) -> Plant:
        day, row, end = place.day, place.row, place.end
        cell = 0 if kind in _OPEN_KINDS else place.cell
        event = self._event(day, row, cell)
        sigma, sign = float(self._market.sigma[row]), float(rng.choice([-1.0, 1.0]))
        move = times * self._units.move * sigma
        match kind:
            case "drop" | "rise" | "level_shift":
                size = move * {"drop": -1.0, "rise": 1.0}.get(kind, sign)
                return Plant(kind, event, day, row, cell, cell, size, times, carry=size)
            case "flash_crash":
                size = -times * self._units.crash * sigma
                return Plant(kind, event, day, row, cell, cell + FALL_CELLS + RECOVER_CELLS - 1, size, times)
            case "pump_dump":
                size = times * self._units.pump * sigma
                carry = size * (1 - PUMP_GIVEN_BACK)
                return Plant(kind, event, day, row, cell, cell + PUMP_CELLS + DUMP_CELLS - 1, size, times, carry)
            case "volume_surge":
                return Plant(kind, event, day, row, cell, cell, times * self._units.volume, times)
            case "bad_print":
                factor = float(rng.choice([1.0, *BAD_FACTORS], p=[0.5, *[0.1] * 5]))
                return Plant(kind, event, day, row, cell, cell, sign * move, times, factor=factor)
            case "stale_feed":
                length = max(5, STALE_S // self._config.cell_s)
                return Plant(kind, event, day, row, cell, min(cell + length - 1, end), float(STALE_S), 0.0)
            case "volatility_regime":
                return Plant(kind, event, day, row, cell, end, REGIME_VARIANCE, 0.0)
            case "open_close_volume":
                return Plant(kind, event, day, row, place.begin, end, BURST_VOLUME, 0.0)
            case "overnight_gap":
                size = sign * OVERNIGHT_SIGMAS * 0.6 * sigma
                return Plant(kind, event, day, row, cell, cell, size, 0.0, carry=size)
            case "announced_split":
                ratio = float(rng.choice(SPLITS))
                return Plant(kind, event, day, row, cell, cell, ratio, 0.0, carry=-float(np.log(ratio)))
        raise AssertionError(f"Plan refuses the kind {kind!r}")


def _room(regular: NDArray[np.intp]) -> tuple[int, int]:
    """The part of a session in which something may begin, so that the longest event ends before the session does."""
    low, high = (int(regular.size * part) for part in _MARGIN)
    return low, max(low + 1, min(high, regular.size - PUMP_CELLS - DUMP_CELLS - 1))


def labels_of(plant: Plant, market: Market, cells: Cells, cell_ns: int) -> list[Label]:
    """What there is to know about one plant. A level shift is an anomaly and, after it, a trap."""
    onset, last = int(cells.ts_ns[plant.cell]), int(cells.ts_ns[plant.last])
    quiet_end = min(onset + QUIET_AFTER_NS, int(cells.ts_ns[-1]))
    direction: Direction = "rise" if plant.log_size > 0 else "drop"
    base = Label(
        event=plant.event,
        kind=plant.kind,
        is_trap=plant.kind in TRAP_KINDS,
        venue=market.instruments[plant.row].venue,
        symbol=market.instruments[plant.row].symbol,
        onset_ns=onset,
        end_ns=last,
        direction=direction,
        size=abs(float(np.expm1(plant.log_size))) if plant.kind not in _FACTOR_KINDS else 0.0,
        size_times=plant.times,
    )
    plain = replace(base, direction="none", size=plant.log_size)  # the size is no return
    match plant.kind:
        case "level_shift":
            shift = replace(base, kind=direction, is_trap=False, note="level shift")
            return [shift, replace(base, onset_ns=min(onset + 2 * cell_ns, quiet_end), end_ns=quiet_end)]
        case "stale_feed":
            return [replace(plain, size=(last - onset + cell_ns) / SECOND_NS)]
        case "bad_print" if plant.factor != 1.0:
            way: Direction = "rise" if plant.factor > 1 else "drop"
            return [replace(base, direction=way, size=abs(plant.factor - 1), note=f"price x {plant.factor:g}")]
        case "open_close_volume":
            closing = last + cell_ns - BURST_S * SECOND_NS
            return [replace(plain, end_ns=onset + BURST_S * SECOND_NS), replace(plain, onset_ns=closing)]
        case "overnight_gap":
            return [replace(base, end_ns=quiet_end)]
        case "announced_split":
            return [replace(plain, end_ns=quiet_end, note=f"1 becomes {plant.log_size:g}")]
        case "volume_surge" | "volatility_regime":
            return [plain]
    return [base]
