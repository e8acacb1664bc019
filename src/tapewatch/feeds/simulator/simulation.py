"""A whole simulated market: everything that is decided once, and the records of each day."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tapewatch.alerts.labels import Label
from tapewatch.feeds.simulator.config import SimulatorConfig
from tapewatch.feeds.simulator.grid import Cells, DaySpan, cells_of, day_spans
from tapewatch.feeds.simulator.paths import Matrix, Paths, Skeleton, day_paths, skeleton
from tapewatch.feeds.simulator.planning import Planner, Plant, Split, labels_of
from tapewatch.feeds.simulator.planting import Left, PlantedDay, plant_day
from tapewatch.feeds.simulator.records import Columns, MarketDay, bar_times, bars_of, merge, trades_of
from tapewatch.feeds.simulator.units import units
from tapewatch.feeds.simulator.universe import Market, markets
from tapewatch.model.instruments import Instrument


class _MarketRun:
    """One market over all days: its skeleton, its plants, and what they leave behind."""

    def __init__(self, config: SimulatorConfig, market: Market, spans: tuple[DaySpan, ...]) -> None:
        self.market = market
        self._config, self._spans = config, spans
        open_days = np.array([len(self.cells(day)) > 0 for day in range(len(spans))])
        self._bones: Skeleton = skeleton(config, market, open_days)
        self.plants: list[list[Plant]] = [[] for _ in spans]
        if config.plan is not None:
            planner = Planner(config, config.plan, market, units(config, market.kind))
            self.plants = [planner.day(day, self.cells(day)) for day in range(len(spans))]
        level, shares = np.zeros((len(spans) + 1, market.size)), np.ones((len(spans) + 1, market.size))
        for plant in (p for plants in self.plants for p in plants):
            level[plant.day + 1, plant.row] += plant.carry
            if plant.kind == "announced_split":
                shares[plant.day + 1, plant.row] *= plant.log_size
        self._level: Matrix = np.cumsum(level, axis=0, dtype=np.float64)
        self._shares: Matrix = np.cumprod(shares, axis=0, dtype=np.float64)

    def cells(self, day: int) -> Cells:
        return cells_of(self._config, self.market.kind, self._spans[day])

    def paths(self, day: int, cells: Cells) -> Paths:
        return day_paths(self._config, self.market, self._bones, day, cells)

    def planted(self, day: int, cells: Cells) -> PlantedDay:
        left = Left(self._level[day], self._shares[day])
        return plant_day(self.paths(day, cells), self.plants[day], left, self.market, cells)

    def missing(self, day: int, cells: Cells) -> NDArray[np.bool_] | None:
        """Cells that stale feeds take from the tape; None where there are none."""
        stale = [p for p in self.plants[day] if p.kind == "stale_feed"]
        if not stale:
            return None
        found = np.zeros((self.market.size, len(cells)), dtype=np.bool_)
        for plant in stale:
            found[plant.row, plant.cell : plant.last + 1] = True
        return found


class Simulation:
    """A simulated market, ready to give the records of any day without making the days before it."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.spans = day_spans(config)
        self._runs = tuple(_MarketRun(config, market, self.spans) for market in markets(config))
        self.instruments: tuple[Instrument, ...] = tuple(i for run in self._runs for i in run.market.instruments)

    def day_times(self, day: int) -> NDArray[np.int64]:
        """Times of a day's records in tape order. For bars this costs a tenth of making them."""
        if self.config.mode == "trades":
            return self.day_records(day)["ts_event_ns"]
        parts = [bar_times(run.market, c, run.missing(day, c)) for run in self._runs if len(c := run.cells(day))]
        return np.sort(np.concatenate(parts), kind="stable")

    def day_records(self, day: int) -> Columns:
        """The records of a day in tape order, without heartbeats and offsets."""
        return merge([self._market_records(run, day, c) for run in self._runs if len(c := run.cells(day))])

    def _market_records(self, run: _MarketRun, day: int, cells: Cells) -> Columns:
        of_market = MarketDay(run.market, cells, run.planted(day, cells))
        if self.config.mode == "bars":
            return bars_of(self.config, of_market)
        return trades_of(self.config, day, of_market)

    def labels(self) -> list[Label]:
        """Everything that was planted, by onset and symbol."""
        found: list[Label] = []
        for run in self._runs:
            for day, plants in enumerate(run.plants):
                cells = run.cells(day)
                for plant in plants:
                    found += labels_of(plant, run.market, cells, self.config.cell_ns)
        return sorted(found, key=lambda label: (label.onset_ns, label.venue, label.symbol, label.end_ns))

    def splits(self) -> list[Split]:
        """The announced splits, by time."""
        found = [
            Split(i.venue, i.symbol, int(run.cells(plant.day).ts_ns[plant.cell]), plant.log_size)
            for run in self._runs
            for plants in run.plants
            for plant in plants
            if plant.kind == "announced_split"
            for i in (run.market.instruments[plant.row],)
        ]
        return sorted(found, key=lambda split: (split.ts_ns, split.symbol))


@lru_cache(maxsize=4)
def simulation(config: SimulatorConfig) -> Simulation:
    """The market of a configuration; the last four are kept, so that feed, labels and splits plan only once."""
    return Simulation(config)
