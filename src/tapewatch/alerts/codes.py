"""Small integers that kernels and rows use for what the outside reads as words."""

from tapewatch.model.alerts import Change, Reason

# What a detector says of one tick.
NONE, HALF, FIRE, CLOSE = 0, 1, 2, 3
"""Nothing; above half the opening threshold; above the threshold; what the episode waited for has come."""

# Life of an episode.
CLOSED, FIRING, RECOVERING = 0, 1, 2

# Kinds of event that a kernel emits. SIGNAL is a signal that changed no alert.
SIGNAL, FIRED, WORSENED, RECOVERS, REFIRED, RESOLVED, RETRACTED = 0, 1, 2, 3, 4, 5, 6
CHANGES: dict[int, Change] = {
    FIRED: "fired",
    WORSENED: "worsened",
    RECOVERS: "recovering",
    REFIRED: "refired",
    RESOLVED: "resolved",
    RETRACTED: "retracted",
}

NO_REASON, REVERTED, NEW_LEVEL, SESSION_END, RULE_CHANGED, BAD_PRINT, DATA_RETURNED = 0, 1, 2, 3, 4, 5, 6
REASONS: dict[int, Reason | None] = {
    NO_REASON: None,
    REVERTED: "reverted",
    NEW_LEVEL: "new_level",
    SESSION_END: "session_end",
    RULE_CHANGED: "rule_changed",
    BAD_PRINT: "bad_print",
    DATA_RETURNED: "data_returned",
}

# Classes of incident.
PRICE, VOLUME, DATA_QUALITY = 0, 1, 2

NEVER_NS = 2**62
"""A deadline that does not come."""
