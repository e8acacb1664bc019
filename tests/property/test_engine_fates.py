"""Every record of a tape has exactly one fate, the one that design gives it, and what is not judged changes nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.detection.detectors import DETECTORS
from tapewatch.detection.rules import RuleSet
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tests.unit.detection.market import market
from tests.unit.detection.support import (
    COMPILED,
    TSLA,
    Tick,
    bars,
    batch_of,
    beat,
    calm,
    engine_for,
    everything,
    feed,
    preset,
    watching,
)

EXAMPLES = 30 if COMPILED else 2
LENGTH = 90 if COMPILED else 40


def values(tick: Tick) -> tuple[str, ...]:
    prices = (tick.close if p is None else p for p in (tick.open, tick.high, tick.low, tick.close, tick.volume))
    return tuple("unknown" if math.isnan(p) else repr(float(p)) for p in prices)


class Symbol:
    """What decides a record's fate, told by brute force from all the accepted records of its symbol."""

    def __init__(self) -> None:
        self.accepted: list[Tick] = []

    def fate(self, tick: Tick, judge_late: bool) -> Fate:
        if tick.append_ns and tick.act_ns > tick.append_ns + MINUTE_NS:
            return Fate.FUTURE
        last = self.accepted[-1] if self.accepted else None
        if last is not None and tick.act_ns < last.act_ns:
            return self.accept(tick) if judge_late else Fate.LATE
        if tick.kind == Kind.BAR:
            if last is not None and last.kind == Kind.BAR and (last.at_ns, last.act_ns) == (tick.at_ns, tick.act_ns):
                return Fate.DUPLICATE if values(last) == values(tick) else Fate.CORRECTION
        elif tick.trade_id in [t.trade_id for t in self.accepted if t.kind == Kind.TRADE and t.trade_id][-2:]:
            return Fate.DUPLICATE
        return self.accept(tick)

    def accept(self, tick: Tick) -> Fate:
        self.accepted.append(tick)
        return Fate.JUDGED


def expected(tape: list[Tick], judge_late: bool) -> list[Fate]:
    symbols: dict[Instrument, Symbol] = {}
    return [Fate.HEARTBEAT if t.of is None else symbols.setdefault(t.of, Symbol()).fate(t, judge_late) for t in tape]


@pytest.mark.parametrize("rules", [everything(), preset("prototype")], ids=lambda r: r.name)
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_record_has_the_fate_that_brute_force_gives_it(rules: RuleSet, seed: int) -> None:
    tape = market(seed, LENGTH)
    outcome = engine_for(rules).process(batch_of(tape))
    assert [Fate(int(f)) for f in outcome.fates] == expected(tape, rules.judge_late)
    assert sum(outcome.fate_counts().values()) == len(tape)


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_late_repeated_and_corrected_records_change_nothing_but_what_counts_them(seed: int) -> None:
    tape, rules = market(seed, LENGTH), watching(**{d.name: {} for d in DETECTORS if not d.fates})
    whole = feed(engine_for(rules), batch_of(tape))
    kept = [i for i, f in enumerate(whole.fates) if f in (Fate.JUDGED, Fate.HEARTBEAT, Fate.FUTURE)]
    without = feed(engine_for(rules), batch_of(tape).take(np.array(kept, np.int64)))
    assert without.told() == whole.told()
    assert without.rows == whole.rows


def test_a_heartbeat_of_the_future_moves_nobody() -> None:
    rules = everything()
    tape = [replace(tick, append_ns=tick.act_ns + 1) for tick in bars(TSLA, calm(40))]
    last_ns = tape[-1].act_ns
    plain, other = engine_for(rules), engine_for(rules)
    plain.process(batch_of(tape))
    rows = dict(plain.changed_rows())
    ahead = replace(beat(last_ns + 3650 * DAY_NS), append_ns=last_ns)
    outcome = other.process(batch_of([*tape, ahead]))
    assert Fate(int(outcome.fates[-1])) == Fate.HEARTBEAT
    assert dict(other.changed_rows()) == rows
    assert not len(outcome.minutes.messages())
