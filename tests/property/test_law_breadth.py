"""The two laws for markets: however a tape is cut and however symbols are dealt to shards, minutes and groups are the
same."""

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.alerts.breadth import Merger
from tapewatch.alerts.groups import open_group
from tapewatch.model.instruments import Instrument
from tapewatch.model.market import Group, MarketFindings, MarketMinute, ShardMinutes
from tapewatch.model.times import MINUTE_NS, parse_rfc3339
from tests.property.test_law_invariance import only
from tests.unit.detection.support import COMPILED, Tick, bars, batch_of, beat, calm, engine_for, preset

EXAMPLES = 20 if COMPILED else 2
START_NS = parse_rfc3339("2025-02-03T00:00:00Z")
COINS = [Instrument("binance", f"C{i}/USDT") for i in range(7)]


def sell_off(seed: int) -> list[Tick]:
    """Seven coins that most of the time are calm; now and then some, or most, of them fall within two minutes."""
    random = Random(seed)
    n = 100
    paths = {coin: calm(n, 10.0 ** random.randrange(-3, 4), 3e-4) for coin in COINS}
    for _ in range(4):
        at = random.randrange(65, n - 5)
        for coin in random.sample(COINS, random.randrange(1, len(COINS) + 1)):
            start = at + random.choice((0, 0, 1))
            level = random.choice((0.9, 0.94, 1.07))
            paths[coin] = [c * level if i >= start else c for i, c in enumerate(paths[coin])]
    ticks = [t for coin in COINS for t in bars(coin, paths[coin], START_NS)]
    beats = [beat(START_NS + i * MINUTE_NS) for i in range(1, n + 60)]
    return sorted([*ticks, *beats], key=lambda t: (t.act_ns, t.of is None, str(t.of)))


def minutes(tape: Sequence[Tick], mine: list[Instrument], source: str, cuts: Sequence[int]) -> list[ShardMinutes]:
    """What a shard of these symbols says of its minutes, batch by batch; each batch by a new engine."""
    batch = batch_of(tape, [*mine, *(c for c in COINS if c not in mine)])
    kept = [i for i, t in enumerate(tape) if t.of is None or t.of in mine]
    rows: dict[str, bytes] = {}
    found = []
    for piece in np.split(np.array(kept, np.int64), sorted(cuts)):
        engine = engine_for(preset("default"))
        engine.load(rows.items())
        said = engine.process(only(batch.take(piece), mine)).minutes
        rows |= dict(engine.changed_rows())
        found.append(ShardMinutes(source, said.through_ns, said.messages()))
    return found


def whole(parts: Sequence[MarketFindings]) -> tuple[list[Group], list[MarketMinute]]:
    """All findings in one order."""
    groups = sorted((g for part in parts for g in part.groups), key=lambda g: (g.opened_ns, g.market, g.revision))
    return groups, sorted((m for part in parts for m in part.minutes), key=lambda m: (m.end_ns, m.market))


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6), shards=st.integers(1, 4))
def test_any_dealing_and_any_cut_give_the_same_minutes_and_groups(seed: int, shards: int) -> None:
    tape, random = sell_off(seed), Random(seed)
    (record,) = minutes(tape, COINS, "all", [])
    reference = whole([Merger(["all"]).take(record)])
    dealt = [random.randrange(shards) for _ in COINS]
    said = {
        f"s{k}": minutes(
            tape, [c for c, d in zip(COINS, dealt, strict=True) if d == k], f"s{k}", random.sample(range(1, 150), 3)
        )
        for k in range(shards)
    }
    merger, found = Merger(list(said)), []
    while any(said.values()):
        source = random.choice([s for s, records in said.items() if records])
        found.append(merger.take(said[source].pop(0)))
        if random.random() < 0.3:
            state, merger = merger.save(), Merger(list(dict.fromkeys(["s0", *merger.sources])))
            merger.load(state)
    assert whole(found) == reference


def test_the_tapes_of_this_law_have_groups_and_lonely_moves() -> None:
    groups, past = 0, 0
    for seed in range(3):
        (record,) = minutes(sell_off(seed), COINS, "all", [])
        found = Merger(["all"]).take(record)
        groups += sum(g.state == "closed" for g in found.groups)
        past += sum(open_group(m) is None for m in found.minutes)
    assert groups >= 2
    assert past >= 2


def test_what_a_source_repeats_counts_once() -> None:
    minute = MarketMinute("m", MINUTE_NS, 4, 0, 4, 0, 0, 4, 1, 2, 3)
    merger = Merger(["a", "b"])
    for _ in range(2):
        assert merger.take(ShardMinutes("a", MINUTE_NS, [minute])) == MarketFindings()
    assert merger.through_ns < 0, "b has said nothing yet"


def test_a_source_that_is_not_known_is_refused() -> None:
    with pytest.raises(Exception, match="'c', which is none of"):
        Merger(["a"]).take(ShardMinutes("c", 0, []))
