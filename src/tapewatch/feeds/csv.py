"""CSV files and standard input as one tape: bars and trades, plain or gzip, several files merged by event time.

What is recognised: `csv_names` (columns), `csv_layout` (delimiter, header, how time is written), `csv_symbols` (the
symbol in a file's name). What a user may say: `csv_settings`.
"""

import hashlib
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import PurePath
from typing import BinaryIO

import numpy as np

from tapewatch.feeds.csv_blocks import (
    STDIN,
    STDIN_NAME,
    Block,
    content_digest,
    file_blocks,
    find_sources,
    pipe_blocks,
    read_head,
    read_pipe_head,
    whole_lines,
)
from tapewatch.feeds.csv_instruments import InstrumentTable
from tapewatch.feeds.csv_layout import Layout, learn_layout
from tapewatch.feeds.csv_rows import RowReader, Rows
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.feeds.gunzip import unpacked
from tapewatch.feeds.heartbeats import NO_TIME, HeartbeatGrid, Placed, heartbeat_columns, insert_heartbeats
from tapewatch.feeds.merge import Stream, merge
from tapewatch.feeds.prefetch import prefetch
from tapewatch.feeds.steps import newest_first, smallest_step
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import DeadLetter, FeedBatch, Kind, TickBatch
from tapewatch.model.times import MINUTE_NS, SECOND_NS

_VERSION = "csv-2"  # part of the identity: rises when the same files would give other records
_BLOCK_BYTES = 4 << 20
_SMALLEST_BLOCK_BYTES = 256 << 10
_ALL_BLOCKS_BYTES = 32 << 20  # shared by the files of one tape
_READ_AHEAD = 2


def open_csv(
    sources: Sequence[str],
    settings: CsvSettings,
    *,
    zone_of: Callable[[str], str],
    stdin: BinaryIO | None = None,
    block_bytes: int | None = None,
) -> "CsvFeed":
    """Open paths, globs and `-` (standard input) as one feed; reads the head of each file and no more.

    `zone_of` gives a venue's time zone, for times that were written without an offset. `stdin` and `block_bytes` are
    for tests. Raises InputError for what is missing, empty, not text, or not market data: with the columns that were
    found and those that were looked for.
    """
    paths = find_sources(sources)
    if block_bytes is None:
        block_bytes = max(_SMALLEST_BLOCK_BYTES, min(_BLOCK_BYTES, _ALL_BLOCKS_BYTES // len(paths)))
    return CsvFeed(paths, settings, zone_of, stdin or sys.stdin.buffer, block_bytes)


class CsvFeed:
    """A `Feed` of CSV files: the records in the order (event time at which they act, file, row), each file in its own
    order, with heartbeats among them. Can be read again from any offset; it then reads from the beginning and skips,
    at some million rows a second. Standard input can be read once.
    """

    def __init__(
        self, paths: Sequence[str], settings: CsvSettings, zone_of: Callable[[str], str], stdin: BinaryIO, block: int
    ) -> None:
        self._paths = paths
        self._stdin = unpacked(stdin) if STDIN in paths else stdin
        self._stdin_head = read_pipe_head(self._stdin) if STDIN in paths else b""
        self._stdin_used = False
        self._block_bytes = block
        self._instruments = InstrumentTable(settings.zone, zone_of)
        self._files = [self._learn(path, settings) for path in paths]
        self._settings = settings

    @cached_property
    def identity(self) -> str:
        """BLAKE2b over the settings and, for each file in order, its name and its content (of files beyond 64 MiB: the
        size, time of change, first and last 64 KiB); empty with standard input."""
        return "" if STDIN in self._paths else _identity(self._paths, self._settings)

    @property
    def default_venues(self) -> dict[str, str]:
        """Venues that were taken for want of one in the data or settings, each with the first symbol that it was taken
        for: to be logged once. Complete for the heads of the files when opened, for the rest as it is read."""
        return dict(self._instruments.defaults)

    @property
    def venues(self) -> frozenset[str]:
        """The venues that were met so far; when opened, those of the heads of the files."""
        return frozenset(instrument.venue for instrument in self._instruments.symbols)

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        """As the port says. Raises InputError also where a file turns out damaged further down, after the batches
        before that; the second reading of standard input is an InputError."""
        if start < 0 or limit < 1:
            raise InputError(f"cannot read from offset {start} in batches of {limit}")
        if STDIN in self._paths:
            if self._stdin_used:
                raise InputError("standard input can be read once; save it to a file to read it again")
            self._stdin_used = True
            return self._read(start, limit)
        return prefetch(self._read(start, limit), _READ_AHEAD)

    def _read(self, start: int, limit: int) -> Iterator[FeedBatch]:
        streams = [
            Stream(first_key, partial(self._rows, path, layout))
            for path, (layout, first_key) in zip(self._paths, self._files, strict=True)
        ]
        grid, offset = HeartbeatGrid(), 0
        for rows in merge(streams):
            placed = grid.place(rows.acting_ns)
            end = offset + placed.length
            if end > start:
                yield from _cut(_batch(self._instruments, rows, placed, offset), start, limit)
            offset = end
        last = grid.last()
        if last is not None and offset >= start:
            columns = heartbeat_columns(np.array([last]))
            columns["offset"][:] = offset
            yield FeedBatch(TickBatch(self._instruments.symbols, **columns), (), offset, offset + 1)

    def _rows(self, path: str, layout: Layout) -> Iterator[Rows]:
        reader = RowReader(layout, self._instruments)
        return (reader.read(block) for block in self._blocks(path))

    def _blocks(self, path: str) -> Iterator[Block]:
        if path == STDIN:
            return pipe_blocks(self._stdin, self._stdin_head, self._block_bytes)
        return file_blocks(path, self._block_bytes)

    def _learn(self, path: str, settings: CsvSettings) -> tuple[Layout, int]:
        """The layout of a file, with its interval, and the acting time of its first row (`NO_TIME` if unreadable)."""
        raw = read_head(path) if path != STDIN else whole_lines(self._stdin_head, ended=True, file=STDIN_NAME)
        layout = learn_layout(path, raw, settings)
        rows = RowReader(layout, self._instruments).read(Block(raw, 1))
        if newest_first(rows):
            raise InputError(f"{path}: its newest row is the first; sort it by time, the oldest row first")
        if layout.kind is Kind.BAR:
            step = settings.interval_ns or smallest_step(rows) or MINUTE_NS
            layout = layout.with_interval(step)
        first = int(rows.acting_ns[0]) if rows.acting_ns.size else NO_TIME
        return layout, first if first == NO_TIME else first + layout.interval_ns


def _batch(instruments: InstrumentTable, rows: Rows, placed: Placed, offset: int) -> FeedBatch:
    columns = rows.columns
    if rows.faults:
        alive = np.ones(rows.acting_ns.size, np.bool_)
        alive[[f.row for f in rows.faults]] = False
        columns = {name: column[alive] for name, column in columns.items()}
        kept = Placed(placed.records[alive], placed.heartbeats, placed.times_ns)
    else:
        kept = placed
    dead = tuple(
        DeadLetter(
            source=f.source, position=f.line, offset=offset + int(placed.records[f.row]), reason=f.reason, raw=f.raw
        )
        for f in rows.faults
    )
    return FeedBatch(
        insert_heartbeats(instruments.symbols, columns, kept, offset), dead, offset, offset + placed.length
    )


def _cut(batch: FeedBatch, start: int, limit: int) -> Iterator[FeedBatch]:
    """The part of a batch from `start` on, in pieces of at most `limit` records."""
    offsets = batch.ticks.offset
    for begin in range(max(start, batch.start), batch.end, limit):
        end = min(begin + limit, batch.end)
        low, high = np.searchsorted(offsets, [begin, end]).tolist()
        first, last = (bisect_left(batch.dead, at, key=lambda d: d.offset) for at in (begin, end))
        yield FeedBatch(batch.ticks.take(slice(low, high)), batch.dead[first:last], begin, end)


def _identity(paths: Sequence[str], settings: CsvSettings) -> str:
    digest = hashlib.blake2b(f"{_VERSION} {SECOND_NS} {settings.canonical()}".encode(), digest_size=16)
    for path in paths:
        digest.update(PurePath(path).name.encode() + b"\0" + content_digest(path))
    return digest.hexdigest()
