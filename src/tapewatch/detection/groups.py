"""Layout of what symbols of one group share: calibration, part of the rules' fingerprint, never learnt live."""

import numpy as np

from tapewatch.detection.layout import PHASES
from tapewatch.detection.stats.tail import TAIL

BINS, WEEK_BINS = 48, 336
"""Of a profile of a phase, and of one of the week, which what never closes may have: `features.profile_bin` tells which
is which."""

SPLITS, HALTS = 8, 8
"""Announced ones that one instrument may have."""

GROUP = np.dtype(
    [
        ("tail", TAIL, (PHASES,)),
        ("phase_ratio", "f8", (PHASES,)),  # scale of returns by phase; regular or continuous = 1
        ("scale", "f8"),  # mean absolute log return of a 1-minute bar, conservative; 0 where unknown
        ("tick", "f8"),  # tick size in price; 0 where it has to be seen from the prices
        ("peg", "f8"),  # the price that it is meant to keep; 0: none
        ("splits", "i8"),
        ("halts", "i8"),
        ("split_ns", "i8", (SPLITS,)),
        ("split_ratio", "f8", (SPLITS,)),
        ("halt_from_ns", "i8", (HALTS,)),
        ("halt_until_ns", "i8", (HALTS,)),
        ("vol", "f8", (PHASES, WEEK_BINS)),  # seasonal factor of absolute returns
        ("volume", "f8", (PHASES, WEEK_BINS)),  # seasonal factor of volume
    ],
    align=True,
)
