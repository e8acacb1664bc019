"""Opens the feed that the settings name."""

import msgspec

from tapewatch.detection.calendars import venue_info
from tapewatch.detection.durations import duration_ns
from tapewatch.feeds.csv import CsvFeed, open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.runtime.config.settings import FeedSettings


def csv_settings(settings: FeedSettings) -> CsvSettings:
    """The part of the settings that CSV files need."""
    return CsvSettings(
        symbol=settings.symbol,
        venue=settings.venue,
        zone=settings.zone,
        mapping=settings.mapping,
        interval_ns=duration_ns(settings.interval) if settings.interval else None,
    )


def open_feed(settings: FeedSettings) -> CsvFeed:
    """The feed over `settings.sources`; InputError names what is missing or cannot be read."""
    return open_csv(settings.sources, csv_settings(settings), zone_of=lambda venue: venue_info(venue).zone)


def with_sources(settings: FeedSettings, sources: list[str], mapping: dict[str, str]) -> FeedSettings:
    """The settings with the sources, and the mapping if there is one, of a command line."""
    return msgspec.structs.replace(settings, sources=tuple(sources), mapping=mapping or settings.mapping)
