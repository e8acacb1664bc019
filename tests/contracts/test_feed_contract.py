"""What every feed must hold, run on every feed."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.feeds.paced import paced
from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import SimulatorConfig, market
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import DTYPES, FeedBatch, Kind
from tapewatch.tape.codec import CodecSettings, JsonDecoder
from tapewatch.tape.feed import TapeFeed, record
from tapewatch.tape.memory import MemoryTape
from tapewatch.tape.segment import SegmentTape
from tests.unit.feeds.helpers import bars, gather, write, zone_of


def csv_feed(folder: Path) -> Feed:
    rows = [f"{1744034400 + 7 * (i // 3)},S{i % 3},{i + 1},{i + 2},{i},{i + 1.5},{i * 10}" for i in range(200)]
    rows[50:50] = ["never,S0,1,1,1,1,1", "", "1744034400,S0,x,1,1,1,1"]
    trades = [f"{1744034400 + i}.25,A/B,buy,{i + 0.1},1" for i in range(300)]
    paths = write(folder, {"a.csv": bars(rows), "b.csv": bars(trades, "time,symbol,side,price,amount")})
    return open_csv(paths, CsvSettings(), zone_of=zone_of, block_bytes=1000)


def tape_feed(folder: Path, *, durable: bool) -> Feed:
    tape = SegmentTape(folder / "feed.tape", lambda: b"i" * 16) if durable else MemoryTape()
    for _ in record(csv_feed(folder).batches(0, 37), tape, lambda: 5):
        pass
    return TapeFeed(tape, JsonDecoder(CodecSettings("tape", zone_of)))


BARS = SimulatorConfig(stocks=2, crypto=1, days=2)
TRADES = SimulatorConfig(stocks=1, crypto=0, days=2, mode="trades", trades_per_min=2.0)


def paced_feed() -> Feed:
    clock = itertools.count(0, 10**12)
    return paced(market(BARS), 60.0, lambda: next(clock), lambda _: None)


FEEDS: dict[str, Callable[[Path], Feed]] = {
    "csv": csv_feed,
    "memory tape": lambda folder: tape_feed(folder, durable=False),
    "segment tape": lambda folder: tape_feed(folder, durable=True),
    "simulated bars": lambda _: market(BARS),
    "simulated trades": lambda _: market(TRADES),
    "paced": lambda _: paced_feed(),
}


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Feed:
    return FEEDS[request.param](tmp_path)


def values(batches: Iterator[FeedBatch], start: int, end: int) -> dict[str, list[object]]:
    """The records of [start, end), names in the place of ids."""
    read = gather(batches)
    chosen = (read.ticks.offset >= start) & (read.ticks.offset < end)
    ticks = read.ticks.take(chosen)
    found: dict[str, list[object]] = {
        n: list(map(repr, getattr(ticks, n).tolist())) for n in DTYPES if n != "symbol_id"
    }
    found["names"] = [ticks.symbols[i] if i >= 0 else None for i in ticks.symbol_id]
    found["dead"] = [d for d in read.dead if start <= d.offset < end]
    return found


def test_batches_cover_the_tape_without_holes_or_repeats_and_within_the_limit(feed: Feed) -> None:
    for limit in (1, 13, 100_000):
        batches = list(itertools.islice(feed.batches(0, limit), 700))
        assert all(0 < b.end - b.start <= limit for b in batches)
        assert gather(iter(batches)).ticks.offset[0] == 0


def test_reading_from_an_offset_gives_exactly_what_the_whole_has_from_there(feed: Feed) -> None:
    whole = gather(feed.batches(0))
    for start in (0, 1, 49, whole.end // 2, whole.end - 1):
        assert values(feed.batches(start, 29), start, whole.end) == values(feed.batches(0), start, whole.end)
    assert list(feed.batches(whole.end)) == []


def test_two_readings_side_by_side_do_not_disturb_each_other(feed: Feed) -> None:
    one, two = feed.batches(0, 10), feed.batches(0, 10)
    pairs = list(zip(one, two, strict=True))
    assert all(a.start == b.start and np.array_equal(a.ticks.close, b.ticks.close) for a, b in pairs)


def test_a_reader_may_stop_before_the_end(feed: Feed) -> None:
    first = next(iter(feed.batches(0, 5)))
    assert (first.start, first.end) == (0, 5)


def test_columns_have_their_types_and_heartbeats_no_symbol(feed: Feed) -> None:
    ticks = gather(feed.batches(0)).ticks
    for name, dtype in DTYPES.items():
        assert getattr(ticks, name).dtype == np.dtype(dtype), name
    beats = ticks.kind == Kind.HEARTBEAT
    assert beats.any()
    assert (ticks.symbol_id[beats] == -1).all()
    assert (ticks.symbol_id[~beats] >= 0).all()
    times = ticks.ts_event_ns[beats]
    assert (np.diff(times) >= 0).all()
    assert (times % 1_000_000_000 == 0).all()


@pytest.mark.parametrize("feed", ["csv", "memory tape", "segment tape"], indirect=True)
def test_columns_are_all_writable_and_contiguous_so_that_kernels_are_compiled_once(feed: Feed) -> None:
    for batch in feed.batches(0, 50):
        for name, column in batch.ticks.columns().items():
            assert column.flags.writeable, name
            assert column.flags.c_contiguous, name


@pytest.mark.parametrize("way", ["csv", "memory tape", "segment tape"])
def test_dead_letters_keep_their_source_line_and_text_on_every_way(way: str, tmp_path: Path) -> None:
    dead = gather(FEEDS[way](tmp_path).batches(0)).dead
    assert [(d.source, d.position, d.raw) for d in dead] == [
        ("a.csv", 52, "never,S0,1,1,1,1,1"),
        ("a.csv", 54, "1744034400,S0,x,1,1,1,1"),
    ]


def test_a_position_that_cannot_be_is_refused(feed: Feed) -> None:
    for start, limit in ((-1, 1), (0, 0)):
        with pytest.raises(InputError):
            next(iter(feed.batches(start, limit)))


def test_the_tape_of_a_feed_has_the_records_of_the_feed(tmp_path: Path) -> None:
    direct = gather(csv_feed(tmp_path).batches(0))
    taped = gather(tape_feed(tmp_path, durable=True).batches(0))
    assert direct.names() == taped.names()
    for name in set(DTYPES) - {"symbol_id", "ts_append_ns"}:
        assert np.array_equal(getattr(direct.ticks, name), getattr(taped.ticks, name), equal_nan=name == "volume"), name
    assert direct.dead == taped.dead
    assert set(taped.ticks.ts_append_ns.tolist()) == {5}
