"""The two laws of detection: however a tape is cut into batches, and however symbols are dealt to shards, signals,
alerts, revisions and each symbol's bytes of state are the same."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapewatch.detection.engine import Engine
from tapewatch.detection.instruments import Facts
from tapewatch.detection.rules import RuleSet
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, TickBatch
from tests.unit.detection.market import market
from tests.unit.detection.support import COMPILED, Run, Tick, batch_of, engine_for, everything, feed, joined, preset

RULES = {"default": preset("default"), "prototype": preset("prototype"), "everything": everything()}
PEGS = [Facts("TSLA", "XNAS", peg=250.0), Facts("PEPE/USDT", "binance", peg=1.2e-5)]
EXAMPLES = 25 if COMPILED else 2
LENGTH = 90 if COMPILED else 45


def reference(rules: RuleSet, tape: Sequence[Tick]) -> Run:
    return feed(engine_for(rules, PEGS), batch_of(tape))


def same(one: Run, other: Run) -> None:
    assert other.told() == one.told()
    assert other.rows == one.rows


def cut(rules: RuleSet, tape: Sequence[Tick], at: Sequence[int], restart: Random | None) -> Run:
    """Process the tape in pieces; with `restart`, now and then by a new engine that loads what the last one saved."""
    engine, rows, parts = engine_for(rules, PEGS), dict[str, bytes](), []
    for start, end in zip((0, *at), (*at, len(tape)), strict=True):
        if restart is not None and restart.random() < 0.5:
            engine = engine_for(rules, PEGS)
            engine.load(restart.sample(sorted(rows.items()), len(rows)))
        parts.append(feed(engine, batch_of(tape[start:end], first=start)))
        rows |= parts[-1].rows
    return joined(parts)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.0), restart=st.booleans())
@example(seed=1, share=1.0, restart=False)
@example(seed=2, share=0.3, restart=True)
def test_any_cut_of_a_tape_gives_the_same(rules: RuleSet, seed: int, share: float, restart: bool) -> None:
    tape, random = market(seed, LENGTH), Random(seed)
    at = sorted(random.sample(range(len(tape) + 1), round(share * len(tape) * (1.0 if not restart else 0.1))))
    same(reference(rules, tape), cut(rules, tape, at, random if restart else None))


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6), shards=st.integers(2, 5))
def test_any_dealing_of_symbols_to_shards_gives_the_same(rules: RuleSet, seed: int, shards: int) -> None:
    tape, random = market(seed, LENGTH), Random(seed)
    symbols = sorted({t.of for t in tape if t.of is not None})
    dealt = {s: random.randrange(shards) for s in symbols}
    runs = [shard(rules, tape, [s for s in symbols if dealt[s] == k], random) for k in range(shards)]
    same(reference(rules, tape), joined(runs))


def shard(rules: RuleSet, tape: Sequence[Tick], mine: list[Instrument], random: Random) -> Run:
    """An engine that sees only its symbols and the heartbeats, with ids in an order of its own, in batches of its
    own."""
    random.shuffle(mine)
    batch = batch_of(tape, [*mine, *{t.of for t in tape if t.of is not None} - set(mine)])
    kept = [i for i, t in enumerate(tape) if t.of is None or t.of in mine]
    middle = random.randrange(len(kept) + 1)
    engine: Engine = engine_for(rules, PEGS)
    parts = [
        feed(engine, only(batch.take(np.array(piece, np.int64)), mine)) for piece in (kept[:middle], kept[middle:])
    ]
    return joined(parts)


def only(batch: TickBatch, mine: list[Instrument]) -> TickBatch:
    """The batch without the names of other shards' symbols (which stand last)."""
    return replace(batch, symbols=tuple(mine))


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_tapes_of_these_laws_are_not_empty_of_events(seed: int) -> None:
    tape = market(seed, LENGTH)
    found = reference(RULES["everything"], tape)
    assert len(found.fates) == len(tape)
    assert found.signals
    assert {Fate.JUDGED, Fate.HEARTBEAT} < set(found.fates)
