"""A simulated market of stocks and crypto with planted, labelled anomalies and traps; seeded and reproducible."""

from tapewatch.alerts.labels import Label
from tapewatch.feeds.simulator.config import Plan, SimulatorConfig
from tapewatch.feeds.simulator.feed import SimulatedFeed
from tapewatch.feeds.simulator.planning import Split
from tapewatch.feeds.simulator.simulation import simulation
from tapewatch.model.instruments import Instrument

__all__ = ["Plan", "SimulatedFeed", "SimulatorConfig", "Split", "instruments", "labels", "market", "splits"]


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
