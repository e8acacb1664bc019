"""Writing small CSV files and reading them through the feed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.ticks import DeadLetter, FeedBatch, Kind, TickBatch, concat
from tapewatch.model.times import format_rfc3339

HEADER = "timestamp,symbol,open,high,low,close,volume"


def zone_of(venue: str) -> str:
    """The zones of the two venues that tests use."""
    return "America/New_York" if venue == "XNAS" else "UTC"


@dataclass(frozen=True)
class Read:
    """Everything that a feed yielded."""

    ticks: TickBatch
    dead: list[DeadLetter]
    end: int

    def of(self, *kinds: Kind) -> TickBatch:
        """The records of these kinds."""
        return self.ticks.take(np.isin(self.ticks.kind, kinds))

    def times(self, *kinds: Kind) -> list[str]:
        """Their times as RFC 3339."""
        return [format_rfc3339(t) for t in self.of(*(kinds or (Kind.BAR, Kind.TRADE))).ts_event_ns.tolist()]

    def names(self) -> list[str]:
        """VENUE:SYMBOL of every bar and trade."""
        ticks = self.of(Kind.BAR, Kind.TRADE)
        return [str(ticks.symbols[i]) for i in ticks.symbol_id]

    def reasons(self) -> list[str]:
        return [d.reason for d in self.dead]


def gather(batches: Iterator[FeedBatch]) -> Read:
    """Join what a feed yields and check what the port promises of every batch."""
    ticks: list[TickBatch] = []
    dead: list[DeadLetter] = []
    end: int | None = None
    for batch in batches:
        assert end is None or batch.start == end, "a hole between two batches"
        assert len(batch.ticks) + len(batch.dead) == batch.end - batch.start
        offsets = batch.ticks.offset.tolist() + [d.offset for d in batch.dead]
        assert sorted(offsets) == list(range(batch.start, batch.end))
        assert batch.ticks.offset.tolist() == sorted(batch.ticks.offset.tolist())
        ticks.append(batch.ticks)
        dead += batch.dead
        end = batch.end
    assert ticks, "the feed yielded nothing"
    return Read(concat(ticks), dead, end or 0)


def read_files(
    folder: Path, files: dict[str, str | bytes], settings: CsvSettings | None = None, block_bytes: int | None = None
) -> Read:
    """Write the files and read them as one tape, in the order of the dict."""
    feed = open_csv(write(folder, files), settings or CsvSettings(), zone_of=zone_of, block_bytes=block_bytes)
    return gather(feed.batches(0))


def write(folder: Path, files: dict[str, str | bytes]) -> list[str]:
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return [str(folder / name) for name in files]


def bars(rows: Sequence[str], header: str = HEADER) -> str:
    """A CSV text."""
    return "\n".join([header, *rows]) + "\n"
