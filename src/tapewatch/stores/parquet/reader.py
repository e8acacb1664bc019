"""Reading the history: bars of a symbol, all ticks in event-time order, those that were judged as they acted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from tapewatch.model.bars import Bars
from tapewatch.model.errors import RetryableError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, TickBatch
from tapewatch.model.times import SECOND_NS
from tapewatch.stores.parquet.columns import SCHEMA, from_frame
from tapewatch.stores.parquet.manifest import FileEntry, Manifest, load

T = TypeVar("T")
_BATCH_ROWS = 100_000
_WINDOW_ROWS = 500_000
_TRIES = 5
_OHLCV = ("open", "high", "low", "close", "volume")
_NAMES = pl.col("symbol").unique()


class ParquetTickReader:
    """Reads a history that another process may be writing: sees what that one has flushed, never half of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As the port says."""
        instrument, span = (venue, symbol), (from_ns, to_ns)
        return self._read(
            lambda files: read_bars(self._root, files, [], instrument=instrument, span=span, interval_ns=interval_ns)
        )

    def instruments(self, from_ns: int, to_ns: int) -> list[Instrument]:
        """As the port of bars says; reads two columns of the files of that time."""
        return self._read(lambda files: _instruments(self._root, files, from_ns, to_ns))

    def scan(self, from_ns: int, to_ns: int) -> Iterator[TickBatch]:
        """As the port says; RetryableError where retention or compaction removes files that it has not yet read."""
        try:
            yield from scan_batches(self._root, self._manifest().files, [], from_ns, to_ns)
        except FileNotFoundError as error:
            raise RetryableError(f"the history changed while it was read: {error}") from error

    def judged(self, from_ns: int, to_ns: int) -> Iterator[TickBatch]:
        """As `scan`, without what was late, doubled, corrected or from the future, in the order of the times at which
        ticks act: what the rules saw, as they saw it."""
        try:
            yield from scan_batches(self._root, self._manifest().files, [], from_ns, to_ns, judged=True)
        except FileNotFoundError as error:
            raise RetryableError(f"the history changed while it was read: {error}") from error

    def rows(self) -> int:
        """How many ticks there are, of any fate."""
        return sum(entry.rows for entry in self._manifest().files)

    def first_ns(self) -> int:
        """Event time of the first tick; 0 where there is none."""
        return min((entry.min_ts_ns for entry in self._manifest().files), default=0)

    def _read(self, read: Callable[[Sequence[FileEntry]], T]) -> T:
        for _ in range(_TRIES):
            try:
                return read(self._manifest().files)
            except FileNotFoundError:
                continue  # files were joined or removed since the manifest was read: read the new one
        raise RetryableError(f"the files of {self._root} change faster than they can be read")

    def _manifest(self) -> Manifest:
        return load(self._root) or Manifest()


def _instruments(root: Path, files: Sequence[FileEntry], from_ns: int, to_ns: int) -> list[Instrument]:
    paths: dict[str, list[str]] = {}
    for entry in files:
        if _overlaps(entry, from_ns, to_ns):
            paths.setdefault(entry.venue, []).append(str(root / entry.path))
    return [
        Instrument(venue, symbol)
        for venue, inside in paths.items()
        for symbol in _lazy(inside).filter(_between(from_ns, to_ns)).select(_NAMES).collect()["symbol"]
    ]


def read_bars(
    root: Path,
    files: Sequence[FileEntry],
    fresh: Sequence[pl.DataFrame],
    *,
    instrument: tuple[str, str],
    span: tuple[int, int],
    interval_ns: int,
) -> Bars:
    """Bars from the files and from the fresh rows (in no file yet). Reads only row groups that may hold the symbol."""
    if interval_ns <= 0:
        raise ValueError(f"interval_ns must be positive, is {interval_ns}")
    (venue, symbol), (from_ns, to_ns) = instrument, span
    until_ns = -(-to_ns // interval_ns) * interval_ns  # a bar that starts in the span may end after it
    wanted = pl.col("symbol").eq(symbol) & pl.col("fate").eq(int(Fate.JUDGED)) & _between(from_ns, until_ns)
    columns = ("ts_event_ns", "interval_ns", "offset", *_OHLCV)
    frames = [f.filter(pl.col("venue").eq(venue) & wanted).select(columns) for f in fresh]
    paths = [str(root / e.path) for e in files if e.venue == venue and _overlaps(e, from_ns, until_ns)]
    if paths:
        frames.append(_lazy(paths).filter(wanted).select(columns).collect())
    if not frames:
        return _bars(pl.DataFrame(schema={"at": pl.Int64} | dict.fromkeys(_OHLCV, pl.Float64)))
    ticks = pl.concat(frames).sort("ts_event_ns", "offset")
    return _bars(_resample(ticks, interval_ns).filter(pl.col("at").ge(from_ns) & pl.col("at").lt(to_ns)))


def scan_batches(
    root: Path,
    files: Sequence[FileEntry],
    fresh: Sequence[pl.DataFrame],
    from_ns: int,
    to_ns: int,
    *,
    judged: bool = False,
) -> Iterator[TickBatch]:
    """All ticks of [from_ns, to_ns) in order of (event time, offset), read in windows that fit in memory. Judged ones
    in order of (the time at which they act, offset), as they were judged: a bar comes when it ends."""
    inside = [entry for entry in files if _overlaps(entry, from_ns, to_ns)]
    recent = [f for f in (frame.filter(_between(from_ns, to_ns)) for frame in fresh) if f.height]
    reach = {entry: _longest(root, entry) if judged else 0 for entry in inside}
    edges = [(e.min_ts_ns, e.max_ts_ns, reach[e]) for e in inside]
    event, longest = pl.col("ts_event_ns"), pl.col("interval_ns").max() * judged
    edges += [tuple(f.select(a=event.min(), b=event.max(), c=longest).row(0)) for f in recent]
    if not edges:
        return
    low, high = max(from_ns, min(e[0] for e in edges)), max(min(to_ns, e[1] + 1) + e[2] for e in edges)
    at = event + pl.col("interval_ns") if judged else event
    for start, end in _windows(inside, low, high):
        ticks = _window(root, reach, recent, (from_ns, to_ns), (start, end), at)
        if judged:
            ticks = ticks.filter(pl.col("fate").eq(int(Fate.JUDGED)))
        for first in range(0, ticks.height, _BATCH_ROWS):
            yield from_frame(ticks.slice(first, _BATCH_ROWS))


def _window(
    root: Path,
    files: Mapping[FileEntry, int],
    fresh: Sequence[pl.DataFrame],
    span: tuple[int, int],
    window: tuple[int, int],
    at: pl.Expr,
) -> pl.DataFrame:
    """The ticks of the span whose `at` lies in the window; in each file `at` is later than the event by so much."""
    start, end = window
    wanted = at.ge(start) & at.lt(end)
    frames = [frame.filter(wanted) for frame in fresh]
    for venue in dict.fromkeys(entry.venue for entry in files):
        near = {e: ns for e, ns in files.items() if e.venue == venue and _overlaps(e, start - ns, end)}
        if near:
            # Implied by what is wanted, but only this is in the statistics of the row groups.
            early = _between(max(span[0], start - max(near.values())), min(span[1], end))
            found = _lazy([str(root / e.path) for e in near]).filter(early & wanted).collect()
            frames.append(found.select(pl.lit(venue).alias("venue"), *SCHEMA.names()))
    if not frames:
        return pl.DataFrame(schema={"venue": pl.String} | dict(SCHEMA))
    return pl.concat(frames).sort(at, "offset")


def _longest(root: Path, entry: FileEntry) -> int:
    """The length of the longest bar of a file. Cost: one column, which is a few values throughout."""
    return int(_lazy([str(root / entry.path)]).select(pl.col("interval_ns").max()).collect().item())


def _lazy(paths: list[str]) -> pl.LazyFrame:
    return pl.scan_parquet(paths, schema=SCHEMA, hive_partitioning=False, glob=False)


def _windows(files: Sequence[FileEntry], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut [start, end) in halves until each holds about `_WINDOW_ROWS` rows, or a second."""
    if _estimate(files, start, end) <= _WINDOW_ROWS or end - start <= SECOND_NS:
        yield start, end
        return
    middle = (start + end) // 2
    yield from _windows(files, start, middle)
    yield from _windows(files, middle, end)


def _estimate(files: Sequence[FileEntry], start: int, end: int) -> float:
    rows = 0.0
    for entry in files:
        inside = min(end, entry.max_ts_ns + 1) - max(start, entry.min_ts_ns)
        if inside > 0:
            rows += entry.rows * inside / (entry.max_ts_ns + 1 - entry.min_ts_ns)
    return rows


def _overlaps(entry: FileEntry, from_ns: int, to_ns: int) -> bool:
    return entry.min_ts_ns < to_ns and entry.max_ts_ns >= from_ns


def _between(from_ns: int, to_ns: int) -> pl.Expr:
    # Clipped: bounds from outside may lie beyond what the column's type can hold.
    low, high = (int(np.clip(float(t), -9.2e18, 9.2e18)) if abs(t) > 9.2e18 else t for t in (from_ns, to_ns))
    return pl.col("ts_event_ns").ge(low) & pl.col("ts_event_ns").lt(high)


def _resample(ticks: pl.DataFrame, interval_ns: int) -> pl.DataFrame:
    """Group sorted ticks into bars; bars longer than the interval stay alone, told apart by their offset."""
    longer = pl.col("interval_ns").gt(interval_ns)
    floor = pl.col("ts_event_ns") - pl.col("ts_event_ns").mod(interval_ns)
    told = pl.col("volume").is_not_nan()
    grouped = ticks.group_by(
        at=pl.when(longer).then("ts_event_ns").otherwise(floor),
        alone=pl.when(longer).then("offset").otherwise(-1),
        maintain_order=True,
    ).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.when(told.any()).then(pl.col("volume").filter(told).sum()).otherwise(float("nan")).alias("volume"),
    )
    return grouped.sort("at", "alone")


def _bars(frame: pl.DataFrame) -> Bars:
    columns = [np.ascontiguousarray(frame[name].to_numpy()) for name in _OHLCV]
    return Bars(np.ascontiguousarray(frame["at"].to_numpy()), *columns)
