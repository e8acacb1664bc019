"""Which session phase a time falls into: a binary search in the venue's boundaries, only when a boundary was passed."""

import numpy as np

from tapewatch.alerts.codes import NEVER_NS
from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.model.times import SECOND_NS


@compiled
def day_from_ns(head: Row) -> int:
    """The open of the day that the head's phase is a part of (`calendars.trading_days`)."""
    return int(head.phase_from_ns - np.int64(head.before_s) * SECOND_NS)


@compiled
def day_until_ns(head: Row) -> int:
    """The close of that day."""
    return int(head.phase_until_ns + np.int64(head.after_s) * SECOND_NS)


@compiled_apart
def enter_phase(head: Row, event_ns: int, bounds_ns: Row, bounds_phase: Row, bounds_day: Row, lo: int, hi: int) -> None:
    """Set the head's phase for `event_ns` from the boundaries [lo, hi), which reach beyond it and, where the venue ever
    closes, end with a close."""
    left = lo
    right = hi - 1
    while right - left > 1:
        middle = (left + right) // 2
        if bounds_ns[middle] <= event_ns:
            left = middle
        else:
            right = middle
    head.phase = bounds_phase[left]
    head.phase_from_ns = bounds_ns[left]
    head.phase_until_ns = bounds_ns[left + 1]
    head.before_s = (head.phase_from_ns - bounds_day[left, 0]) // SECOND_NS
    head.after_s = (bounds_day[left, 1] - head.phase_until_ns) // SECOND_NS
    end = left + 1 if bounds_phase[left] == 0 else left  # what trades while closed belongs to the session to come
    while end < hi - 1 and bounds_phase[end] != 0:
        end += 1
    head.session_end_ns = bounds_ns[end] if bounds_phase[end] == 0 else NEVER_NS
