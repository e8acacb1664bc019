"""Real files, where they are at hand: every row is accounted for."""

import csv
import gzip
import os
from pathlib import Path

import pytest

from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import Kind
from tapewatch.model.times import MINUTE_NS
from tests.unit.feeds.helpers import Read, gather, zone_of

DATA = Path(os.environ.get("TAPEWATCH_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the development data is not beside the checkout"),
]
FILES = sorted(p.relative_to(DATA) for p in DATA.rglob("*.csv*") if p.name != "events.csv") if DATA.is_dir() else []


def read(*names: str) -> Read:
    paths = [str(DATA / name) for name in names]
    return gather(open_csv(paths, CsvSettings(), zone_of=zone_of).batches(0))


@pytest.mark.parametrize("name", FILES, ids=str)
def test_every_row_of_every_file_is_read_or_dead_and_prices_are_the_files(name: Path) -> None:
    opener = gzip.open if name.suffix == ".gz" else open
    with opener(DATA / name, "rt") as file:
        rows = [{k.strip().lower(): v for k, v in row.items()} for row in csv.DictReader(file)]
    found = read(str(name))
    ticks = found.of(Kind.BAR, Kind.TRADE)
    assert len(ticks) + len(found.dead) == len(rows)
    prices = [row.get("close", row.get("price")) for row in rows]
    assert ticks.close.tolist() == [float(p) for p in prices if p]


def test_the_prototype_file_is_in_exchange_time() -> None:
    found = read("bars/TSLA_1min_sample.csv")
    assert (found.names()[0], len(found.names()), found.dead) == ("XNAS:TSLA", 9516, [])
    assert (found.times()[0], found.times()[-1]) == ("2025-04-07T08:00:00Z", "2025-04-21T23:59:00Z")


def test_the_dividend_row_is_the_only_dead_letter_of_spy() -> None:
    found = read("bars/yahoo/SPY.csv.gz")
    assert [(d.source, d.reason) for d in found.dead] == [("SPY.csv.gz", "open is missing")]
    assert len(found.names()) == 13_434


def test_a_whole_folder_is_one_tape_in_the_order_of_time() -> None:
    found = read("bars/binance/*.csv.gz")
    bars = found.of(Kind.BAR)
    assert (bars.ts_event_ns[1:] >= bars.ts_event_ns[:-1]).all()
    assert set(bars.interval_ns.tolist()) == {MINUTE_NS}
    assert set(found.names()) == {f"binance:{s}/USDT" for s in ("ALGO", "AVAX", "FIL", "NEAR")}


def test_labels_are_not_market_data() -> None:
    with pytest.raises(InputError, match="announced_utc"):
        read("trades/pump/events.csv")
