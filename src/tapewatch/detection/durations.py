"""Durations as people write them: "250ms", "30s", "5m", "1h", "1d"."""

import re

from tapewatch.model.errors import InputError

Duration = str
_UNITS = {"ms": 1_000_000, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}


def duration_ns(text: str) -> int:
    """Nanoseconds of a duration; InputError where it is not one.

    >>> duration_ns("5m"), duration_ns("1.5s")
    (300000000000, 1500000000)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", text.strip())
    if match is None:
        raise InputError(f"{text!r} is not a duration: write a number and ms, s, m, h or d, e.g. 5m")
    return round(float(match[1]) * _UNITS[match[2]])
