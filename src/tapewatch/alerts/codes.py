"""Small integers that kernels and rows use for what the outside reads as words.

They are np.int64, not int: Numba would compile a function anew for each literal int that it is called with.
"""

from typing import cast

import numpy as np

from tapewatch.model.alerts import Change, Reason
from tapewatch.model.signals import Outcome


def codes(n: int) -> tuple[int, ...]:
    """0 to n - 1 as np.int64."""
    return tuple(cast(int, np.int64(i)) for i in range(n))


# What a detector says of one tick.
NONE, HALF, FIRE, CLOSE = codes(4)
"""Nothing; above half the opening threshold; above the threshold; what the episode waited for has come."""

# Life of an episode.
CLOSED, FIRING, RECOVERING = codes(3)

# Kinds of event that a kernel emits. SIGNAL is a signal that changed no alert.
SIGNAL, FIRED, WORSENED, RECOVERS, REFIRED, RESOLVED, RETRACTED = codes(7)
CHANGES: dict[int, Change] = {
    FIRED: "fired",
    WORSENED: "worsened",
    RECOVERS: "recovering",
    REFIRED: "refired",
    RESOLVED: "resolved",
    RETRACTED: "retracted",
}

NO_REASON, REVERTED, NEW_LEVEL, SESSION_END, RULE_CHANGED, BAD_PRINT, DATA_RETURNED = codes(7)
REASONS: dict[int, Reason | None] = {
    NO_REASON: None,
    REVERTED: "reverted",
    NEW_LEVEL: "new_level",
    SESSION_END: "session_end",
    RULE_CHANGED: "rule_changed",
    BAD_PRINT: "bad_print",
    DATA_RETURNED: "data_returned",
}

# What a signal is to its bar: of the whole bar; of a part of it; of the whole, and said before; not what was said.
FINAL, PROVISIONAL, CONFIRMED, WITHDRAWN = codes(4)
OUTCOMES: dict[int, Outcome] = {CONFIRMED: "confirmed", WITHDRAWN: "withdrawn"}

# Classes of incident.
PRICE, VOLUME, DATA_QUALITY = codes(3)

NEVER_NS = cast(int, np.int64(2**63 - 1))
"""A deadline that does not come."""

TIMER = cast(int, np.int64(-1))
"""The k of what a timer opened."""
