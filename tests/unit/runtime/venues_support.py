"""Two CSV files, one a venue, of the same simulated coins; now and then one coin leaves its other venue's price."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import SimulatorConfig, market
from tapewatch.feeds.writers import tick_frame
from tapewatch.model.ticks import concat
from tapewatch.runtime.config.settings import FeedSettings, RulesSettings
from tapewatch.runtime.feeds import open_feed

RULES = """
name = "venues"

[[rules]]
name = "venue_divergence"
detector = "venue_divergence"

[[rules]]
name = "bad_print"
detector = "bad_print"
"""
MARKET = SimulatorConfig(seed=21, stocks=0, crypto=4, start=date(2025, 3, 3), days=1)
PRICES = ("open", "high", "low", "close")
LEAVES = (("kraken", 0, 400, 1.03), ("binance", 1, 700, 0.95), ("kraken", 1, 1100, 1.08))
"""Venue, which coin, from which minute for half an hour, in times of the others' price."""


def two_venues(folder: Path) -> Feed:
    """The files, written and merged into one tape."""
    frame = tick_frame(concat([b.ticks for b in market(MARKET).batches(0)]))
    coins, random = sorted(frame["symbol"].unique()), np.random.default_rng(1)
    names = []
    for venue in ("binance", "kraken"):
        times = np.exp(random.normal(0.0, 2e-4, len(frame))) * (1.001 if venue == "kraken" else 1.0)
        minute = frame.select(pl.int_range(pl.len()).over("symbol")).to_series().to_numpy()
        for where, coin, since, away in LEAVES:
            out = (frame["symbol"] == coins[coin]).to_numpy() & (minute >= since) & (minute < since + 30)
            times[out] *= away if where == venue else 1.0
        listed = frame.with_columns(pl.lit(venue).alias("venue"), *(pl.col(p) * times for p in PRICES))
        listed.write_csv(folder / f"{venue}.csv")
        names.append(str(folder / f"{venue}.csv"))
    return open_feed(FeedSettings(sources=tuple(names)))


def rules_file(folder: Path) -> RulesSettings:
    """The rule, in a file."""
    path = folder / "venues.toml"
    path.write_text(RULES)
    return RulesSettings(file=path)
