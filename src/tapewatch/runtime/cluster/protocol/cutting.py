"""Parts of raw batches."""

import numpy as np

from tapewatch.tape.port import RawBatch


def part(raw: RawBatch, low: int, high: int) -> RawBatch:
    """Messages `low` to `high` (exclusive), covering the offsets up to the next message, or to the batch's end."""
    start = raw.start if low == 0 else int(raw.offsets[low])
    end = raw.end if high == len(raw) else int(raw.offsets[high])
    first = int(raw.starts[low])
    return RawBatch(
        data=raw.data[first : int(raw.starts[high])],
        starts=np.ascontiguousarray(raw.starts[low : high + 1] - first),
        offsets=raw.offsets[low:high],
        ts_append_ns=raw.ts_append_ns[low:high],
        start=start,
        end=end,
    )


def below(raw: RawBatch, end: int) -> RawBatch:
    """The messages below offset `end`; all of them where the batch ends there or before."""
    if raw.end <= end:
        return raw
    found = part(raw, 0, int(np.searchsorted(raw.offsets, end)))
    return RawBatch(found.data, found.starts, found.offsets, found.ts_append_ns, found.start, end)


def onward(raw: RawBatch, start: int) -> RawBatch:
    """The messages from offset `start` on, which lies in [raw.start, raw.end)."""
    if start == raw.start:
        return raw
    found = part(raw, int(np.searchsorted(raw.offsets, start)), len(raw))
    return RawBatch(found.data, found.starts, found.offsets, found.ts_append_ns, start, found.end)


def halves(raw: RawBatch) -> tuple[RawBatch, RawBatch]:
    """Two parts of a batch of two messages or more."""
    middle = len(raw) // 2
    return part(raw, 0, middle), part(raw, middle, len(raw))
