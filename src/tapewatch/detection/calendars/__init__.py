"""Calendars by venue: phases of the day in time, zones and currencies. Pure; the data is in `sessions.json`."""

from tapewatch.detection.calendars.phases import Phase
from tapewatch.detection.calendars.sessions import (
    FOREVER_NS,
    boundaries,
    known_from_ns,
    known_until_ns,
    phases_at,
    trading_days,
)
from tapewatch.detection.calendars.venues import VenueInfo, known_calendars, quote_currency, venue_info

__all__ = [
    "FOREVER_NS",
    "Phase",
    "VenueInfo",
    "boundaries",
    "known_calendars",
    "known_from_ns",
    "known_until_ns",
    "phases_at",
    "quote_currency",
    "trading_days",
    "venue_info",
]
