"""A simulated market of stocks and crypto with planted, labelled anomalies and traps; seeded and reproducible."""

from collections.abc import Iterator

import polars as pl

from tapewatch.alerts.labels import Label
from tapewatch.feeds.simulator.config import Plan, SimulatorConfig
from tapewatch.feeds.simulator.feed import SimulatedFeed
from tapewatch.feeds.simulator.planning import Split
from tapewatch.feeds.simulator.simulation import simulation
from tapewatch.feeds.writers import tick_frame
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import make_batch

__all__ = ["Plan", "SimulatedFeed", "SimulatorConfig", "Split", "frames", "instruments", "labels", "market", "splits"]


def market(config: SimulatorConfig) -> SimulatedFeed:
    """The market of a configuration as a feed."""
    return SimulatedFeed(config)


def labels(config: SimulatorConfig) -> list[Label]:
    """What is planted in `market(config)`, traps included, by onset and symbol."""
    return simulation(config).labels()


def splits(config: SimulatorConfig) -> list[Split]:
    """The announced splits in `market(config)`, which an instrument file tells the detectors."""
    return simulation(config).splits()


def instruments(config: SimulatorConfig) -> tuple[Instrument, ...]:
    """The symbols of `market(config)`: stocks, then crypto."""
    return simulation(config).instruments


def frames(config: SimulatorConfig) -> Iterator[pl.DataFrame]:
    """The records of `market(config)` as tables to write (`feeds.writers.write_ticks`), a day each.

    A file of them, read by the CSV feed, gives the same tape as the market itself, heartbeats and trade ids included.
    """
    of_market = simulation(config)
    for day in range(len(of_market.spans)):
        columns = of_market.day_records(day)
        trade_ids = columns.pop("trade_id")
        yield tick_frame(make_batch(of_market.instruments, trade_ids.size, **columns), trade_ids)
