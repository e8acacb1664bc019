import io
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tapewatch.feeds.csv import open_csv
from tapewatch.model.errors import InputError, RetryableError
from tapewatch.model.ticks import FeedBatch, Kind
from tapewatch.runtime.config.settings import FeedSettings
from tapewatch.runtime.embedded import tape_name
from tapewatch.runtime.feeds import csv_settings, open_feed, open_source, recorded, with_sources
from tapewatch.tape.segment import SegmentTape
from tests.unit.feeds.helpers import bars, gather, zone_of

ROWS = [f"2025-03-03T15:{minute:02}:00Z,TSLA,1,2,1,2,10" for minute in range(20)]


def pipe(rows: list[str]) -> io.BytesIO:
    return io.BytesIO(bars(rows).encode())


def test_a_file_is_read_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(bars(ROWS))
    feed = open_source(FeedSettings(sources=(str(path),)), tmp_path / "data")
    assert feed is not None and feed.identity and not (tmp_path / "data").exists()


def test_without_sources_there_is_no_feed_and_a_simulated_market_is_one(tmp_path: Path) -> None:
    assert open_source(FeedSettings(), tmp_path) is None
    simulated = open_source(FeedSettings(), tmp_path, simulate=True)
    assert simulated is not None and tape_name(simulated).isalnum() and len(tape_name(simulated)) == 16


def test_what_cannot_be_read_again_is_recorded_and_read_from_there(tmp_path: Path) -> None:
    straight = gather(open_csv(["-"], csv_settings(FeedSettings()), zone_of=zone_of, stdin=pipe(ROWS)).batches(0))
    feed = recorded(open_csv(["-"], csv_settings(FeedSettings()), zone_of=zone_of, stdin=pipe(ROWS)), tmp_path)
    assert feed.identity
    through_tape = gather(feed.batches(0))
    assert through_tape.times() == straight.times() and through_tape.end == straight.end


class Open:
    """A pipe that stays open: its reader waits for more."""

    identity = ""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        yield from open_csv(["-"], csv_settings(FeedSettings()), zone_of=zone_of, stdin=pipe(ROWS)).batches(
            start, limit
        )
        self.closed.wait(30)


def test_a_recorded_feed_that_waits_ends_when_it_is_told_to(tmp_path: Path) -> None:
    source, stop = Open(), threading.Event()
    batches = recorded(source, tmp_path, stop.is_set).batches(0)
    assert next(batches).end > 0
    reader = threading.Thread(target=list, args=(batches,), daemon=True)
    reader.start()
    reader.join(0.2)
    assert reader.is_alive(), "it did not wait for more"
    stop.set()
    reader.join(5)
    assert not reader.is_alive()
    source.closed.set()


class Broken(Open):
    """A feed that ends with an error of its own after its rows."""

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        yield from open_csv(["-"], csv_settings(FeedSettings()), zone_of=zone_of, stdin=pipe(ROWS)).batches(
            start, limit
        )
        raise RuntimeError("the pipe burst")


def test_a_disk_that_fails_for_a_while_loses_no_record_of_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, failures = SegmentTape.append, [RetryableError("no space left")] * 3

    def failing(tape: SegmentTape, messages: Sequence[bytes], ts_append_ns: int) -> int:
        if failures:
            raise failures.pop()
        return append(tape, messages, ts_append_ns)

    monkeypatch.setattr(SegmentTape, "append", failing)
    read = gather(
        recorded(open_csv(["-"], csv_settings(FeedSettings()), zone_of=zone_of, stdin=pipe(ROWS)), tmp_path).batches(0)
    )
    straight = gather(open_csv(["-"], csv_settings(FeedSettings()), zone_of=zone_of, stdin=pipe(ROWS)).batches(0))
    assert not failures
    assert read.times() == straight.times()


def test_what_ends_a_recorded_feed_is_raised_once_all_that_came_before_it_is_read(tmp_path: Path) -> None:
    seen = 0
    with pytest.raises(RuntimeError, match="the pipe burst"):
        for batch in recorded(Broken(), tmp_path).batches(0):
            seen += int((batch.ticks.kind == Kind.BAR).sum())
    assert seen == len(ROWS)


def test_a_zone_that_nobody_knows_is_refused_before_reading() -> None:
    with pytest.raises(InputError, match="Mars"):
        open_feed(FeedSettings(sources=("none.csv",), zone="Mars/Phobos"))


def test_sources_and_mapping_of_the_command_line_win() -> None:
    settings = FeedSettings(sources=("a",), mapping={"time": "T"})
    assert with_sources(settings, ["b"], {}) == FeedSettings(sources=("b",), mapping={"time": "T"})
    assert with_sources(settings, ["b"], {"close": "C"}).mapping == {"close": "C"}
