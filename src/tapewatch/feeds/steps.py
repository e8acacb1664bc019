"""The length of a file's bars, where nobody says: the smallest step of one symbol."""

import numpy as np

from tapewatch.feeds.csv_rows import Rows
from tapewatch.feeds.heartbeats import NO_TIME
from tapewatch.model.times import DAY_NS, HOUR_NS

ENOUGH_ROWS = 5


def newest_first(rows: Rows) -> bool:
    """Do the times only fall, as in the exports of some brokers and web sites? False below `ENOUGH_ROWS`."""
    times = rows.acting_ns[rows.acting_ns != NO_TIME]
    return bool(times.size >= ENOUGH_ROWS and (np.diff(times) <= 0).all() and times[0] > times[-1])


def smallest_step(rows: Rows) -> int | None:
    """The smallest positive difference of two times of one symbol that follow each other; None where there is none.

    Steps within two hours of whole days are whole days: local midnights are 23 or 25 hours apart twice a year.
    """
    alive = rows.acting_ns != NO_TIME
    symbols, times = rows.columns["symbol_id"][alive], rows.columns["ts_event_ns"][alive]
    order = np.argsort(symbols, kind="stable")
    steps = np.diff(times[order])[np.diff(symbols[order]) == 0]
    steps = steps[steps > 0]
    if steps.size == 0:
        return None
    step = int(steps.min())
    days = round(step / DAY_NS)
    return days * DAY_NS if days and abs(step - days * DAY_NS) <= 2 * HOUR_NS else step
