"""What is known of an instrument beforehand: tick size, lot, currency, peg, group, announced splits and halts.

It comes from a file and is a part of the calibration, so of the rules' fingerprint: a replay needs the same facts.
"""

from typing import Any

import msgspec

from tapewatch.alerts.compiled import Row, compiled, compiled_apart
from tapewatch.detection.groups import HALTS, SPLITS
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.times import parse_rfc3339


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `at` (RFC 3339) on one share is `ratio` shares: 2 halves the price, 0.1 is a reverse split of ten to one."""

    at: str
    ratio: float


class Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No trading from `begin` until `end` (RFC 3339): silence in it is no dead feed, and the way over it no return."""

    begin: str
    end: str


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One instrument. Zeros and empty texts: not known."""

    symbol: str
    venue: str
    instrument: str = ""  # what it is on other venues, where its name differs there: `BTC/USD` for `XBTUSD`
    tick: float = 0.0  # tick size, in price
    lot: float = 0.0  # round lot, in units
    currency: str = ""
    peg: float = 0.0  # the price that it is meant to keep
    group: str = ""  # of the calibration; else that of its venue's kind
    splits: tuple[Split, ...] = ()
    halts: tuple[Halt, ...] = ()


class InstrumentsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of `[[instruments]]`."""

    instruments: tuple[Facts, ...] = ()


def read_instruments(document: Any, source: str) -> dict[str, Facts]:
    """Facts by `VENUE:SYMBOL` of a parsed file; InputError names `source`, the instrument and what is wrong with it."""
    try:
        found = msgspec.convert(document, InstrumentsFile)
    except msgspec.ValidationError as error:
        raise InputError(f"{source}: {error}") from None
    facts: dict[str, Facts] = {}
    for one in found.instruments:
        name = str(Instrument(one.venue, one.symbol))
        if name in facts:
            raise InputError(f"{source}: {name} stands twice")
        try:
            _check(one)
        except (InputError, ValueError) as error:
            raise InputError(f"{source}: {name}: {error}") from None
        facts[name] = one
    return facts


def _check(facts: Facts) -> None:
    if min(facts.tick, facts.lot, facts.peg) < 0.0:
        raise InputError("tick, lot and peg must not be negative")
    if len(facts.splits) > SPLITS or len(facts.halts) > HALTS:
        raise InputError(f"at most {SPLITS} splits and {HALTS} halts fit; leave out the oldest")
    for split in facts.splits:
        parse_rfc3339(split.at)
        if not split.ratio > 0.0:
            raise InputError(f"the ratio of a split must be above 0, got {split.ratio:g}")
    for halt in facts.halts:
        if parse_rfc3339(halt.begin) >= parse_rfc3339(halt.end):
            raise InputError(f"the halt of {halt.begin} ends before it begins")


def fill_facts(row: Any, facts: Facts) -> None:
    """Write the facts into a row of `GROUP`."""
    if facts.tick > 0.0:
        row["tick"] = facts.tick
    row["peg"] = facts.peg
    row["splits"], row["halts"] = len(facts.splits), len(facts.halts)
    for j, split in enumerate(facts.splits):
        row["split_ns"][j], row["split_ratio"][j] = parse_rfc3339(split.at), split.ratio
    for j, halt in enumerate(facts.halts):
        row["halt_from_ns"][j], row["halt_until_ns"][j] = parse_rfc3339(halt.begin), parse_rfc3339(halt.end)


@compiled
def in_halt(group: Row, from_ns: int, to_ns: int) -> bool:
    """Does an announced halt touch [from_ns, to_ns]?"""
    halted = False
    for j in range(group.halts):
        halted = halted or (group.halt_from_ns[j] <= to_ns and from_ns < group.halt_until_ns[j])
    return halted


@compiled_apart
def restate(head: Row, cold: Row, factor: float) -> None:
    """Bring every price that a symbol remembers to the terms after a split: what was p is now p * factor."""
    head.close *= factor
    head.volume /= factor
    chunk = head.chunk
    chunk.before *= factor
    chunk.open *= factor
    chunk.high *= factor
    chunk.low *= factor
    for j in range(head.recent_close.shape[0]):
        head.recent_close[j] *= factor
    for j in range(head.closes.shape[0]):
        head.closes[j] *= factor
    for j in range(cold.held.shape[0]):
        held = cold.held[j]
        held.open *= factor
        held.high *= factor
        held.low *= factor
        held.close *= factor
    for j in range(cold.episodes.shape[0]):
        episode = cold.episodes[j]
        episode.before *= factor
        episode.extreme *= factor
        episode.told *= factor
        episode.price *= factor
        episode.origin *= factor


@compiled_apart
def take_facts(head: Row, cold: Row, group: Row, event_ns: int) -> int:
    """Before the tick at `event_ns` is judged: restate prices over announced splits since the last tick, and take no
    return over an announced halt. Returns 1 where something changed. A rule's own memory of prices is not restated."""
    changed = 0
    if head.count == 0:
        return changed
    for j in range(group.splits):
        if head.event_ns < group.split_ns[j] <= event_ns:
            restate(head, cold, 1.0 / group.split_ratio[j])
            changed = 1
    for j in range(group.halts):
        if head.event_ns < group.halt_until_ns[j] <= event_ns:
            head.close_ns = -abs(head.close_ns)
            changed = 1
    return changed
