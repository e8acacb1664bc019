"""Two files of two venues through the embedded pipeline: who left is told, whatever the batches and restarts."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

import pytest
from rich.console import Console

from tapewatch.feeds.port import Feed
from tapewatch.model.alerts import Alert
from tapewatch.model.ticks import FeedBatch
from tapewatch.runtime.cli.tables import alert_table
from tapewatch.runtime.embedded import build_engine, make_pipeline, memory_sinks, open_on_disk, tape_name
from tapewatch.runtime.pipeline import Sinks
from tests.unit.runtime.pipeline_support import NOW_NS
from tests.unit.runtime.venues_support import LEAVES, rules_file, two_venues


@dataclass(frozen=True)
class Some:
    """The first batches of a feed from where it is read: then the process ends."""

    feed: Feed
    most: int

    @property
    def identity(self) -> str:
        return self.feed.identity

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        return islice(self.feed.batches(start, limit), self.most)


def told(sinks: Sinks) -> list[Alert]:
    """Every revision of the rule, in the order in which they took effect."""
    return [a for _, a in sinks.alerts.changes(0, 1_000_000) if a is not None and a.rule == "venue_divergence"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[Alert]:
    folder, sinks = tmp_path_factory.mktemp("venues"), memory_sinks()
    feed = two_venues(folder)
    make_pipeline(feed, build_engine(rules_file(folder)), sinks, lambda: NOW_NS).run(feed, 100_000)
    return told(sinks)


def test_the_venues_that_left_are_told_and_no_others(reference: list[Alert]) -> None:
    opened = [a for a in reference if a.change == "fired"]
    assert [a.venue for a in opened] == [venue for venue, *_ in LEAVES]
    assert [a.details["other_venue"] for a in opened] == ["binance", "kraken", "binance"]
    assert len({a.symbol for a in opened}) == 2
    assert {a.reason for a in reference if a.change == "resolved"} == {"reverted"}


def test_the_table_of_a_replay_says_which_venue_it_is(reference: list[Alert]) -> None:
    out = StringIO()
    Console(file=out, width=400).print(alert_table(reference[:1], "Alerts"))
    assert "venue_divergence: on kraken is at" in out.getvalue()


def test_on_disk_in_any_batches_and_restarts_the_same_is_told(tmp_path: Path, reference: list[Alert]) -> None:
    feed, rules = two_venues(tmp_path), rules_file(tmp_path)
    for most, limit in ((3, 1_000), (4, 333), (1, 1_700), (1_000, 2_000)):
        stores = open_on_disk(tmp_path / "data", tape_name(feed), lambda: NOW_NS)
        pipeline = make_pipeline(feed, build_engine(rules), stores.sinks, lambda: NOW_NS)
        pipeline.run(Some(feed, most), limit)
        found = told(stores.sinks)
        stores.close()
    assert found == reference
