"""Small integers that kernels and rows use for what the outside reads as words.

They are np.int64, not int: Numba would compile a function anew for each literal int that it is called with.
"""

import numpy as np

from tapewatch.model.alerts import Change, Reason

# What a detector says of one tick.
NONE, HALF, FIRE, CLOSE = (np.int64(n) for n in range(4))
"""Nothing; above half the opening threshold; above the threshold; what the episode waited for has come."""

# Life of an episode.
CLOSED, FIRING, RECOVERING = (np.int64(n) for n in range(3))

# Kinds of event that a kernel emits. SIGNAL is a signal that changed no alert.
SIGNAL, FIRED, WORSENED, RECOVERS, REFIRED, RESOLVED, RETRACTED = (np.int64(n) for n in range(7))
CHANGES: dict[np.int64, Change] = {
    FIRED: "fired",
    WORSENED: "worsened",
    RECOVERS: "recovering",
    REFIRED: "refired",
    RESOLVED: "resolved",
    RETRACTED: "retracted",
}

NO_REASON, REVERTED, NEW_LEVEL, SESSION_END, RULE_CHANGED, BAD_PRINT, DATA_RETURNED = (np.int64(n) for n in range(7))
REASONS: dict[np.int64, Reason | None] = {
    NO_REASON: None,
    REVERTED: "reverted",
    NEW_LEVEL: "new_level",
    SESSION_END: "session_end",
    RULE_CHANGED: "rule_changed",
    BAD_PRINT: "bad_print",
    DATA_RETURNED: "data_returned",
}

# Classes of incident.
PRICE, VOLUME, DATA_QUALITY = (np.int64(n) for n in range(3))

NEVER_NS = np.int64(2**62)
"""A deadline that does not come."""

TIMER = np.int64(-1)
"""The k of what a timer opened."""
