"""Opens the feed that the settings name."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from tapewatch.detection.calendars import venue_info
from tapewatch.detection.durations import duration_ns
from tapewatch.feeds.csv import CsvFeed, open_csv
from tapewatch.feeds.csv_blocks import STDIN
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.feeds.port import Feed
from tapewatch.feeds.simulator import SimulatorConfig, market
from tapewatch.model.errors import InputError, RetryableError
from tapewatch.model.zones import check_zone
from tapewatch.runtime.config.settings import FeedSettings
from tapewatch.tape.codec import CodecSettings, JsonDecoder, encode_batch
from tapewatch.tape.feed import TapeFeed
from tapewatch.tape.port import Tape
from tapewatch.tape.segment import SegmentTape

_log = logging.getLogger(__name__)
PAUSE_S = 0.02
TAPE = ".tape"
RECORDED = "recorded.tape"
"""What standard input is appended to, in the data directory."""


def csv_settings(settings: FeedSettings) -> CsvSettings:
    """The part of the settings that CSV files need; InputError for a zone that nobody knows."""
    if settings.zone is not None:
        check_zone(settings.zone)
    return CsvSettings(
        symbol=settings.symbol,
        venue=settings.venue,
        zone=settings.zone,
        mapping=settings.mapping,
        dates=settings.dates,
        interval_ns=duration_ns(settings.interval) if settings.interval else None,
    )


def open_feed(settings: FeedSettings) -> Feed:
    """The feed over `settings.sources`, CSV files or one `.tape`; InputError names what is missing or unreadable."""
    if len(settings.sources) == 1 and settings.sources[0].endswith(TAPE):
        path = Path(settings.sources[0])
        if not path.is_file():
            raise InputError(f"{path}: there is no such tape")
        return TapeFeed(open_segment(path), _decoder(path.name))
    return open_csv(
        settings.sources,
        csv_settings(settings),
        zone_of=lambda venue: venue_info(venue).zone,
        stdin=_stdin() if STDIN in settings.sources else None,
    )


def venue_notes(feed: Feed) -> list[str]:
    """What a user should hear about the venues of a feed: those taken for want of one, those that nobody knows."""
    if not isinstance(feed, CsvFeed):
        return []
    notes = [
        f"no venue given (first for {first}): taken as {name}; --venue says otherwise"
        for name, first in feed.default_venues.items()
    ]
    for name in sorted(feed.venues):
        venue = venue_info(name)
        if venue.kind == "crypto" and not name.islower():
            notes.append(
                f"venue {name} is no exchange code (such as XNAS): taken as a crypto venue, always open, times in UTC"
            )
        elif not venue.known:
            notes.append(f"the hours of venue {name} are not known: taken as always open, times in UTC")
    return notes


def open_segment(path: Path) -> SegmentTape:
    """The segment file at `path`, made where it is missing."""
    return SegmentTape(path, lambda: os.urandom(16))


def _decoder(source: str) -> JsonDecoder:
    return JsonDecoder(CodecSettings(source=source, zone_of=lambda venue: venue_info(venue).zone))


def _stdin() -> BinaryIO:
    """Standard input without Python's buffer: a thread that waits in that one at the end aborts the process."""
    return open(0, "rb", buffering=0, closefd=False)


def with_sources(settings: FeedSettings, sources: list[str], mapping: dict[str, str]) -> FeedSettings:
    """The settings with the sources, and the mapping if there is one, of a command line."""
    return msgspec.structs.replace(settings, sources=tuple(sources), mapping=mapping or settings.mapping)


def _never() -> bool:
    return False


def open_source(
    settings: FeedSettings, data_dir: Path, *, simulate: bool = False, stopped: Callable[[], bool] = _never
) -> Feed | None:
    """The feed that `serve` watches: files, standard input by way of a segment file, a simulated market, or none.

    A feed that waits for more to come ends when `stopped` says so.
    """
    if simulate:
        return market(SimulatorConfig())
    if not settings.sources:
        return None
    feed = open_feed(settings)
    for note in venue_notes(feed):
        _log.warning("%s", note)
    if feed.identity:
        return feed
    return recorded(feed, data_dir, stopped)


def recorded(feed: Feed, data_dir: Path, stopped: Callable[[], bool] = _never) -> Feed:
    """A feed that cannot be read again, appended to a segment file first, and read from there until it has ended or
    `stopped` says so."""
    data_dir.mkdir(parents=True, exist_ok=True)
    # Forced to the disk before it is judged: offsets that were committed must be there after a power cut as well.
    tape = SegmentTape(data_dir / RECORDED, lambda: os.urandom(16), fsync="append")
    ended = threading.Event()
    failed: list[Exception] = []

    def append() -> None:
        try:
            for batch in feed.batches(0):
                _insist(tape, encode_batch(batch), stopped)
        except Exception as error:  # noqa: BLE001 - raised to who reads, once what was recorded is read
            failed.append(error)
        finally:
            ended.set()

    def raise_what_failed() -> None:
        if failed and not stopped():
            raise failed[0]

    threading.Thread(target=append, name="record", daemon=True).start()
    return TapeFeed(
        tape,
        _decoder(RECORDED),
        ended=lambda: ended.is_set() or stopped(),
        pause=lambda: time.sleep(PAUSE_S),
        finish=raise_what_failed,
    )


def _insist(tape: Tape, messages: Sequence[bytes], stopped: Callable[[], bool]) -> None:
    """Append, and again while the disk cannot: nobody sends these a second time. RetryableError once `stopped`."""
    told = False
    while True:
        try:
            tape.append(messages, time.time_ns())
            return
        except RetryableError as error:
            if stopped():
                raise
            if not told:
                _log.warning("the feed waits until its records can be kept: %s", error)
            told = True
            time.sleep(PAUSE_S)
