"""A batch that is in flight, and what to do where batches kill whoever judges them."""

from dataclasses import dataclass

from tapewatch.runtime.cluster.protocol.cutting import below, part
from tapewatch.runtime.cluster.protocol.ports import Attempts
from tapewatch.tape.port import RawBatch

DEATHS = 3
"""How often a range was begun and never ended, before it is halved, or condemned where it is one record. A part of such
a range is halved after one death already: who died there by chance costs a finer search, and condemns nothing."""


@dataclass(frozen=True, slots=True)
class Flight:
    """What was dispatched last, and when it is dispatched again."""

    raw: RawBatch
    wait_s: float
    again_at: float


class Suspicion:
    """Finds the record on which executors die without a word (a crash, not an exception), by halves.

    `noted`: executors note that they begin, and we look at what was noted: after a claim, because the process that died
    may have been ours, and from the second dispatch of a batch on. Without notes, nothing here costs anything.
    """

    def __init__(self, noted: bool) -> None:
        self.noted = noted
        self._until = 0  # where the last of the ranges that were begun in vain ends

    def aim(self, raw: RawBatch, attempts: Attempts, shard: str) -> tuple[RawBatch, str]:
        """What to dispatch of a batch, and why its only record is condemned (else empty)."""
        if not self.noted or not len(raw):
            return raw, ""
        found = [f for f in attempts.deaths(shard) if f[0] <= raw.start < f[1]]
        self._until = max([self._until, *(end for _, end, _ in found)])
        deadly = {(start, end) for start, end, count in found if count >= DEATHS}
        same = {end: count for start, end, count in found if start == raw.start}
        if same:  # the same range again, so that what is noted adds up
            raw = below(raw, min(same))
            enough = 1 if len(raw) > 1 and deadly - {(raw.start, min(same))} else DEATHS
            return self._smaller(raw) if same[min(same)] >= enough else (raw, "")
        if deadly:  # what is left of the smallest range that kills: its first half, unless it is one record
            raw = below(raw, min(end for _, end, _ in found))
            return (part(raw, 0, len(raw) // 2), "") if len(raw) > 1 else (raw, "")
        return raw, ""

    def passed(self, position: int, attempts: Attempts, shard: str) -> None:
        """Everything below is committed."""
        if self.noted and position >= self._until:
            self.noted = False
            attempts.forget(shard)

    def _smaller(self, raw: RawBatch) -> tuple[RawBatch, str]:
        if len(raw) > 1:
            return part(raw, 0, len(raw) // 2), ""
        return raw, f"{DEATHS} processes died while judging it alone"
