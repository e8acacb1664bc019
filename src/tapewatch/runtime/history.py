"""Opens a history to run rules over: files as `replay` reads them, or the Parquet history of a data directory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapewatch.feeds.csv_blocks import count_lines
from tapewatch.feeds.heartbeats import HeartbeatGrid, acting_times, heartbeat_columns, insert_heartbeats
from tapewatch.feeds.port import Feed
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import TickBatch, make_batch
from tapewatch.model.times import parse_moment
from tapewatch.runtime.config.settings import FeedSettings
from tapewatch.runtime.feeds import open_feed, venue_notes, with_sources
from tapewatch.stores.parquet.manifest import NAME as MANIFEST
from tapewatch.stores.parquet.reader import ParquetTickReader

EVER_NS = (-(2**62), 2**62)
Span = tuple[int, int]


@dataclass(slots=True)
class History:
    """A history that can be read any number of times, with heartbeats, in tape order (Parquet: in that of acting).

    `total` is its number of records where that is known before reading. Nothing is ever written to where it lies.
    """

    names: list[str]
    span: Span
    total: int | None
    feed: Feed | None = None
    tapes: tuple[ParquetTickReader, ...] = ()
    dead: int = 0  # records of the last reading that could not be read

    def batches(self) -> Iterator[TickBatch]:
        """The records of the span, batch by batch, from the beginning."""
        self.dead = 0
        return self._files() if self.feed is not None else self._parquet()

    def _files(self) -> Iterator[TickBatch]:
        assert self.feed is not None
        begin, end = self.span
        for batch in self.feed.batches(0):
            self.dead += len(batch.dead)
            ticks = batch.ticks
            if self.span != EVER_NS:
                ticks = ticks.take((ticks.ts_event_ns >= begin) & (ticks.ts_event_ns < end))
            yield ticks

    def _parquet(self) -> Iterator[TickBatch]:
        offset = 0
        for tape in self.tapes:
            grid = HeartbeatGrid()
            for ticks in tape.judged(*self.span):
                placed = grid.place(acting_times(ticks))
                yield insert_heartbeats(ticks.symbols, ticks.columns(), placed, offset)
                offset += placed.length
            last = grid.last()
            if last is not None:
                beat = heartbeat_columns(np.array([last]))
                yield make_batch((), 1, **{**beat, "offset": np.array([offset])})
                offset += 1

    def venue_notes(self) -> list[str]:
        """What a user should hear about the venues: those taken for want of one, those that nobody knows."""
        return [] if self.feed is None else venue_notes(self.feed)


def open_history(settings: FeedSettings, sources: Sequence[str], mapping: dict[str, str], span: Span) -> History:
    """The history that `sources` name: files (CSV, CSV.gz, globs, a .tape), or one directory of Parquet that tapewatch
    wrote (a data directory with all its tapes, or one tape of it). InputError for anything else."""
    folders = [Path(s) for s in sources if Path(s).is_dir()]
    if not folders:
        feed = open_feed(with_sources(settings, list(sources), mapping))
        if not feed.identity:
            raise InputError("standard input cannot be read twice: save it to a file")
        return History(list(sources), span, _lines(sources), feed)
    if len(folders) != len(sources) or len(folders) > 1:
        raise InputError("a history is either files or one directory, not both or several")
    roots = _roots(folders[0])
    tapes = sorted((ParquetTickReader(root) for root in roots), key=lambda tape: tape.first_ns())
    return History([str(root) for root in roots], span, sum(tape.rows() for tape in tapes), tapes=tuple(tapes))


def span_of(begin: str | None, end: str | None) -> Span:
    """[begin, end) of two RFC 3339 times or dates (UTC); unbounded where one is None."""
    return (_moment(begin, EVER_NS[0]), _moment(end, EVER_NS[1]))


def _moment(text: str | None, default: int) -> int:
    if text is None:
        return default
    return parse_moment(text)


def _roots(folder: Path) -> list[Path]:
    for found in (sorted(folder.glob("history/*/" + MANIFEST)), sorted(folder.glob("*/" + MANIFEST))):
        if found:
            return [path.parent for path in found]
    if (folder / MANIFEST).exists():
        return [folder]
    raise InputError(f"{folder} holds no tick history of tapewatch: there is no {MANIFEST} in it or below history/")


def _lines(sources: Sequence[str]) -> int | None:
    """How many records plain files hold, headers left out; None where that cannot be told quickly."""
    paths = [Path(s) for s in sources]
    if any(not p.is_file() or p.suffix not in (".csv", ".txt") for p in paths):
        return None
    total = 0
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                total += count_lines(block)
        total -= 1
    return max(total, 0)
