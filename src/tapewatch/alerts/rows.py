"""Layouts shared by kernels, state and narration: an episode's row, a rule's common settings, an event."""

import numpy as np

DETAILS = 8

EPISODE = np.dtype(
    [
        ("state", "i8"),
        ("revision", "i8"),
        ("onset_ns", "i8"),
        ("onset_k", "i8"),
        ("incident_ns", "i8"),
        ("incident_k", "i8"),
        ("before", "f8"),  # price before the event, frozen
        ("extreme", "f8"),  # worst price so far in the episode's direction
        ("told", "f8"),  # extreme when somebody was last told
        ("score", "f8"),  # highest so far
        ("rarity", "f8"),
        ("price", "f8"),  # of the strongest signal: price, what it moved from, statistic, threshold, scale and details
        ("origin", "f8"),
        ("value", "f8"),
        ("threshold", "f8"),
        ("source", "i8"),
        ("calibrated", "i8"),
        ("detail", "f8", (DETAILS,)),
        ("signals", "i8"),  # how many, published or not
        ("said_ns", "i8"),  # acting time of the last one that was published, and its value
        ("said", "f8"),
        ("confirmed", "i8"),  # 1: well over the normal volume stood behind the first signal
        ("quiet", "i8"),  # ticks since the last signal above half the threshold
        ("last_above_ns", "i8"),
        ("recovering_ns", "i8"),
        ("cool_until_ns", "i8"),
        ("cool_move", "f8"),  # largest move of the last episode, as a fraction
    ],
    align=True,
)

INCIDENTS = np.dtype(
    [("last_onset_ns", "i8", (3,)), ("onset_ns", "i8", (3,)), ("onset_k", "i8", (3,))],
    align=True,
)
"""Per category: the latest onset, and the onset and k that name the incident it belongs to."""

COMMON = np.dtype(
    [
        ("category", "i8"),
        ("ceiling", "f8"),  # highest score that the rule may state
        ("each", "i8"),  # 1: every signal is an alert of its own
        ("keep_bars", "i8"),  # quiet bars before recovering, and again before resolving
        ("keep_ns", "i8"),  # the same for trades, in time
        ("cooldown_ns", "i8"),
        ("phases", "i8"),  # bit mask of session phases in which the rule is active
        ("from_ns", "i8"),
        ("until_ns", "i8"),
        ("directed", "i8"),  # 0: its alerts are neither rises nor drops
        ("rule", "i8"),
        ("details", "i8"),  # how many details its detector states
    ],
    align=True,
)

LAST_TICKS = 8

EVENT = np.dtype(
    [
        ("kind", "i8"),
        ("record", "i8"),  # index in the batch
        ("offset", "i8"),
        ("slot", "i8"),
        ("rule", "i8"),
        ("fired", "i8"),  # 1: this tick is a signal (an event may also be a mere transition)
        ("direction", "i8"),  # 1 rise, -1 drop, 0 none
        ("event_ns", "i8"),
        ("k", "i8"),
        ("stage", "i8"),  # of a signal: FINAL, or what it is to a provisional one
        ("bar_ns", "i8"),  # stamp of the bar that a signal of another stage is about
        ("phase", "i8"),
        ("price", "f8"),
        ("volume", "f8"),
        ("score", "f8"),
        ("rarity", "f8"),  # symbol-days; 0 where the rule states a fixed score
        ("calibrated", "i8"),
        ("confirmed", "i8"),  # a detector may set it to 1: what it tells is no matter of one print, and not withdrawn
        ("value", "f8"),
        ("threshold", "f8"),
        ("before", "f8"),
        ("normal_volume", "f8"),
        ("source", "i8"),  # where the scale came from
        ("bars", "i8"),
        ("phase_bars", "i8"),
        ("holes", "i8"),
        ("reason", "i8"),
        ("detail", "f8", (DETAILS,)),
        ("episode", EPISODE),
        ("ticks_ns", "i8", (LAST_TICKS,)),
        ("ticks_close", "f8", (LAST_TICKS,)),
        ("ticks_n", "i8"),
    ],
    align=True,
)

EVENTS = 1024
"""How many events a kernel may hand over at once."""

BUFFER = np.dtype([("at", EVENT, (EVENTS,))])
"""Where a kernel writes events. A record, not an array: Numba counts the references of arrays, at every tick."""
