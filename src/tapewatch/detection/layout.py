"""Layouts of a symbol's state: a hot row that most ticks change, a cold row written only when it changed.

A row's bytes are what the shard store keeps. `LAYOUT` stands in every row; another number is refused and the state is
rebuilt from the tape.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tapewatch.alerts.rows import COMMON, EPISODE, INCIDENTS

if TYPE_CHECKING:
    from tapewatch.detection.detectors.base import Detector

LAYOUT = 5
PHASES = 5
RECENT = 16
RECENT_GRID_NS = 20_000_000_000
"""The shared window of closes in time: at most one close per 20 s, the 16 newest: 5 minutes of trades, 16 bars."""

HELD = np.dtype(
    [
        ("event_ns", "i8"),
        ("interval_ns", "i8"),
        ("dt_ns", "i8"),  # since the tick before it
        ("k", "i8"),
        ("offset", "i8"),
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("close", "f8"),
        ("volume", "f8"),
    ],
    align=True,
)
"""A tick in quarantine: it waits for the next ticks to say whether it was real."""

HOLDS = 3
"""Ticks that may wait at once: the first, and those after it that do not yet tell."""

SCALE = np.dtype([("fast", "f8"), ("slow", "f8"), ("n", "i8")], align=True)
"""Exponentially weighted mean absolute log return of one phase, by a fast and a slow memory."""


CHUNK = np.dtype(
    [
        ("end_ns", "i8"),  # exclusive; 0: none is open
        ("last_ns", "i8"),  # of the newest trade
        ("before_ns", "i8"),  # acting time of the close before it
        ("before", "f8"),  # last close before it
        ("open", "f8"),
        ("high", "f8"),
        ("low", "f8"),
        ("volume", "f8"),
        ("buy_volume", "f8"),
        ("sell_volume", "f8"),
        ("notional", "f8"),
        ("largest", "f8"),  # print, by size
        ("count", "i4"),
        ("buys", "i4"),
        ("sells", "i4"),
        ("rush_buys", "i4"),  # buys that share their millisecond with the buy before them
        ("rush_sells", "i4"),
        ("last_side", "i4"),
    ],
    align=True,
)
"""The chunk of trades that is being built: a bar on the grid of the rules' chunk length."""


def head_dtype(closes: int) -> np.dtype[np.void]:
    """What every symbol remembers, whatever the rules. `closes` is the shared window in ticks (a power of two)."""
    return np.dtype(
        [
            ("layout", "i8"),
            ("count", "i8"),  # accepted ticks
            ("last_ns", "i8"),  # acting time of the last accepted tick
            ("event_ns", "i8"),  # its stamp
            ("k", "i8"),  # earlier accepted ticks of the same stamp
            ("deadline_ns", "i8"),  # earliest timer
            ("open_mask", "i8"),  # bit 2 * rule + (1 for drop): an episode is open
            ("phase", "i4"),
            ("volume_n", "i4"),
            ("phase_from_ns", "i8"),
            ("phase_until_ns", "i8"),
            ("before_s", "i4"),  # how long before the phase the day's open was, over a lunch break, and
            ("after_s", "i4"),  # how long after it the day's close is
            ("session_end_ns", "i8"),
            ("last_bar", "f8", (5,)),  # open, high, low, close, volume as delivered
            ("ids", "i8", (2,)),  # hashes of the last trade ids
            ("close", "f8"),  # last close in the windows; 0 before the first
            ("close_ns", "i8"),  # of `close`; negative: no return is taken from there, as an announced halt followed
            ("step", "f8"),  # smallest price step of this thousand ticks, and of the one before
            ("step_before", "f8"),
            ("holes", "i4"),
            ("phase_n", "i4", (PHASES,)),
            ("zeros", "i1", (PHASES,)),  # consecutive bars of the phase without volume, as far as `UNKNOWN_AFTER`
            ("is_bar", "i1"),
            ("held_kind", "i1"),  # why the first of those in quarantine is held, a verdict code
            ("held_n", "i1"),  # how many are held
            ("scale", SCALE, (PHASES,)),
            ("volume", "f8"),  # exponentially weighted seasonally adjusted volume
            ("volume_dev", "f8"),  # the same of its absolute log deviation
            ("swell", "f8"),  # volume of the newest bars in times of the normal
            ("chunk", CHUNK),
            ("recent_n", "i8"),
            ("recent_ns", "i8", (RECENT,)),
            ("recent_close", "f8", (RECENT,)),
            ("pos", "i8"),  # closes taken into the shared window
            ("closes", "f8", (closes,)),
        ],
        align=True,
    )


def ring_size(needed: int) -> int:
    """The power of two that holds `needed` closes (1 where no rule asks for any)."""
    return 1 << max(0, needed - 1).bit_length()


def hot_dtype(detectors: Sequence["Detector"], closes: int) -> np.dtype[np.void]:
    """The hot row: the head, then one block a rule (`r0`, `r1`, ...)."""
    fields = [("head", head_dtype(ring_size(closes)))]
    fields += [(f"r{i}", d.state) for i, d in enumerate(detectors)]
    return np.dtype(fields, align=True)


def cold_dtype(rules: int) -> np.dtype[np.void]:
    """The cold row: ticks in quarantine, incidents, and two episodes a rule: of rises (or no direction), of drops."""
    return np.dtype(
        [
            ("layout", "i8"),
            ("held", HELD, (HOLDS,)),
            ("incidents", INCIDENTS),
            ("episodes", EPISODE, (max(1, 2 * rules),)),
        ],
        align=True,
    )


def params_dtype(detectors: Sequence["Detector"]) -> np.dtype[np.void]:
    """Compiled parameters: for each rule the common block (`c0`, ...) and the detector's own (`p0`, ...)."""
    fields: list[tuple[str, np.dtype[np.void]]] = []
    for i, detector in enumerate(detectors):
        fields += [(f"c{i}", COMMON), (f"p{i}", detector.record)]
    return np.dtype(fields, align=True)
