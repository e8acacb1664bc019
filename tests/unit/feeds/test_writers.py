"""Writers: what they write, tapewatch reads back as the same tape."""

import io
import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from tapewatch.detection.calendars import venue_info
from tapewatch.detection.instruments import read_instruments
from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.feeds.labels import read_labels
from tapewatch.feeds.simulator import Plan, SimulatorConfig, frames, labels, market, splits
from tapewatch.feeds.writers import tick_frame, write_instruments, write_labels, write_ticks
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, concat, make_batch
from tapewatch.model.times import parse_rfc3339

CONFIG = SimulatorConfig(stocks=2, crypto=2, days=2, trades_per_min=2.0)


@pytest.mark.parametrize("mode", ["bars", "trades"])
def test_a_market_written_to_a_file_and_read_again_is_the_same_tape(
    mode: Literal["bars", "trades"], tmp_path: Path
) -> None:
    config = replace(CONFIG, mode=mode, plan=None)
    path = tmp_path / "market.csv"
    with path.open("wb") as out:
        written = write_ticks(frames(config), out)
    feed = open_csv([str(path)], CsvSettings(), zone_of=lambda venue: venue_info(venue).zone)
    read = concat([batch.ticks for batch in feed.batches(0)])
    made = concat([batch.ticks for batch in market(config).batches(0)])
    assert written == int((made.kind != Kind.HEARTBEAT).sum())
    names = [read.symbols[i] if i >= 0 else None for i in read.symbol_id]
    assert names == [made.symbols[i] if i >= 0 else None for i in made.symbol_id]
    for name, column in made.columns().items():
        if name != "symbol_id":
            np.testing.assert_array_equal(read.columns()[name], column, err_msg=name)


def test_json_lines_have_the_names_of_a_tick() -> None:
    out = io.BytesIO()
    write_ticks(frames(replace(CONFIG, mode="trades", days=1)), out, "jsonl")
    first = json.loads(out.getvalue().splitlines()[0])
    assert list(first) == ["symbol", "venue", "timestamp", "price", "size", "side", "trade_id"]
    out = io.BytesIO()
    assert write_ticks(frames(CONFIG), out, "jsonl") == len(out.getvalue().splitlines())
    assert list(json.loads(out.getvalue().splitlines()[-1])) == [
        "symbol", "venue", "timestamp", "open", "high", "low", "close", "volume",
    ]  # fmt: skip


def test_the_header_stands_once_and_progress_is_told() -> None:
    out = io.BytesIO()
    told: list[int] = []
    total = write_ticks(frames(CONFIG), out, progress=told.append)
    assert out.getvalue().count(b"timestamp") == 1
    assert len(told) == CONFIG.days
    assert told[-1] == total


def test_unknown_volume_side_and_id_are_empty() -> None:
    symbols = (Instrument("XNAS", "A"),)
    trade = make_batch(symbols, 1, kind=np.array([Kind.TRADE]), close=np.array([1.5]))
    assert tick_frame(trade).row(0)[3:] == (1.5, None, None, None)
    bar = make_batch(symbols, 1, kind=np.array([Kind.BAR]), close=np.array([1.5]))
    assert tick_frame(bar).row(0)[3:] == (1.5, 1.5, 1.5, 1.5, None)


def test_times_have_as_many_decimals_as_they_need() -> None:
    ts = np.array([1_744_034_400_000_000_000, 1_744_034_400_250_000_000, 1_744_034_400_000_000_001])
    trades = make_batch((Instrument("XNAS", "A"),), 3, kind=np.full(3, Kind.TRADE), ts_event_ns=ts)
    assert tick_frame(trades)["timestamp"].to_list() == [
        "2025-04-07T14:00:00Z",
        "2025-04-07T14:00:00.250Z",
        "2025-04-07T14:00:00.000000001Z",
    ]


def test_bars_and_trades_do_not_mix() -> None:
    with pytest.raises(InputError):
        tick_frame(make_batch((Instrument("XNAS", "A"),), 2, kind=np.array([Kind.BAR, Kind.TRADE])))


def test_labels_survive_being_written_and_read() -> None:
    out = io.BytesIO()
    found = labels(replace(CONFIG, days=6))
    write_labels(found, out)
    assert found
    assert read_labels(io.BytesIO(out.getvalue())) == found


def test_no_labels_are_a_header() -> None:
    out = io.BytesIO()
    write_labels([], out)
    assert out.getvalue().startswith(b"event,kind,is_trap,venue,symbol,onset,end")
    assert read_labels(io.BytesIO(out.getvalue())) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not a file of labels"),
        ("a,b\n1,2\n", "onset"),
        ("onset,end\n2025,2026\n", "symbol"),
        ("symbol,onset\nA,2025\n", "line 2"),
        ("symbol,onset,direction\nA,2025-01-01T00:00:00Z,up\n", "line 2.*rise, drop"),
        ("symbol,onset,event\nA,2025-01-01T00:00:00Z,x\n", "line 2"),
        ("symbol,onset,knid\nA,2025-01-01T00:00:00Z,x\n", "knid"),
    ],
)
def test_what_is_no_file_of_labels_is_refused_by_line(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_labels(io.BytesIO(text.encode()))


def test_labels_may_be_typed_by_hand_with_times_of_the_venue() -> None:
    text = "time,symbol,direction\n2025-04-09 13:19:00,TSLA,rise\n2025-02-03T01:54:00Z,FIL/USDT,\n"
    stock, coin = read_labels(io.BytesIO(text.encode()))
    assert (stock.venue, stock.direction, stock.kind) == ("XNAS", "rise", "event")
    assert stock.onset_ns == stock.end_ns == 1_744_219_140 * 10**9
    assert (coin.venue, coin.direction, coin.is_trap) == ("binance", "none", False)


def test_announced_splits_are_written_as_the_rules_read_them() -> None:
    announced = splits(replace(CONFIG, days=8, plan=Plan(kinds=("announced_split",))))
    assert len(announced) > len({split.symbol for split in announced}) > 1, "some symbol splits twice"
    out = io.BytesIO()
    write_instruments(announced, out)
    facts = read_instruments(tomllib.loads(out.getvalue().decode()), "instruments.toml")
    read = [(parse_rfc3339(s.at), s.ratio, f.venue, f.symbol) for f in facts.values() for s in f.splits]
    assert sorted(read) == sorted((s.ts_ns, s.ratio, s.venue, s.symbol) for s in announced)
