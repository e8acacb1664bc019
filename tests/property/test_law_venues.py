"""The two laws where venues are compared: however a tape is cut, and however *names* (all venues of one together) are
dealt to shards, signals, alerts and each symbol's bytes of state are the same."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.detection.rules import RuleSet
from tapewatch.model.instruments import Instrument
from tapewatch.model.times import MINUTE_NS, SECOND_NS, parse_rfc3339
from tests.property.test_law_invariance import cut, reference, same, shard
from tests.unit.detection.support import COMPILED, Tick, bars, beat, everything, joined, trade, watching

START_NS = parse_rfc3339("2025-02-03T00:00:00Z")
LISTED = {
    "BTC/USDT": ("binance", "coinbaseinternational"),
    "ETH/USDT": ("binance", "bybit", "kraken", "okx"),
    "SOL/USDT": ("binance", "kraken"),
    "ADA/USDT": ("okx",),
}
RULES = {"alone": watching(venue_divergence={}, bad_print={}), "everything": everything()}
EXAMPLES = 20 if COMPILED else 2
MINUTES = 110


def names() -> list[list[Instrument]]:
    return [[Instrument(venue, symbol) for venue in venues] for symbol, venues in LISTED.items()]


def listing(random: Random, of: Instrument, path: Sequence[float]) -> list[Tick]:
    """Bars, or trades, near the path of their name: with a premium, holes, bad prints, and stretches far from it."""
    premium = 1.0 + random.choice((0.0, 0.004, -0.02))
    closes = [p * premium * (1.0 + random.gauss(0.0, 1e-4)) for p in path]
    for _ in range(random.choice((0, 1, 2))):
        at, length = random.randrange(64, MINUTES - 5), random.choice((1, 2, 5, 30))
        away = random.choice((0.93, 0.98, 1.012, 1.03, 1.11))
        closes[at : at + length] = [c * away for c in closes[at : at + length]]
    if random.random() < 0.5:
        closes[random.randrange(64, MINUTES)] *= random.choice((10.0, 0.1, 1.3, 1e-6))
    if random.random() < 0.3:
        at_ns = START_NS + random.randrange(1, 60) * SECOND_NS
        ticks = [trade(at_ns + i * MINUTE_NS, of, c, trade_id=i + 1) for i, c in enumerate(closes)]
    else:
        ticks = bars(of, closes, START_NS)
    return [t for i, t in enumerate(ticks) if i < 62 or random.random() > 0.05]


def market(seed: int) -> list[Tick]:
    """Names on one to four venues that move together, in the order of arrival, with heartbeats."""
    random = Random(seed)
    ticks = []
    for venues in names():
        price = 10.0 ** random.randrange(-5, 6)
        path = [price := price * (1.0 + random.gauss(0.0, 4e-4)) for _ in range(MINUTES)]
        if random.random() < 0.3:
            path = [p * (0.92 if i > 90 else 1.0) for i, p in enumerate(path)]  # all venues of it
        for of in venues:
            ticks += listing(random, of, path)
    arrivals = [(t.act_ns + random.choice((0, 0, SECOND_NS)), t) for t in ticks]
    step = random.choice((20 * SECOND_NS, MINUTE_NS))
    beats = [beat(at) for at in range(START_NS + step, START_NS + (MINUTES + 30) * MINUTE_NS, step)]
    arrivals += [(b.at_ns, b) for b in beats]
    return [t for _, t in sorted(arrivals, key=lambda a: a[0])]


def dealt(shards: int, random: Random) -> list[list[Instrument]]:
    """All names, the venues of one together, on so many shards."""
    parts: list[list[Instrument]] = [[] for _ in range(shards)]
    for venues in names():
        parts[random.randrange(shards)] += venues
    return parts


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6), pieces=st.integers(1, 40), restart=st.booleans())
def test_any_cut_of_a_tape_of_several_venues_gives_the_same(
    rules: RuleSet, seed: int, pieces: int, restart: bool
) -> None:
    tape, random = market(seed), Random(seed)
    at = sorted(random.sample(range(len(tape) + 1), pieces))
    same(reference(rules, tape), cut(rules, tape, at, random if restart else None))


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**6), shards=st.integers(2, 4))
def test_any_dealing_of_names_to_shards_gives_the_same(rules: RuleSet, seed: int, shards: int) -> None:
    tape, random = market(seed), Random(seed)
    runs = [shard(rules, tape, mine, random) for mine in dealt(shards, random)]
    same(reference(rules, tape), joined(runs))


def test_the_tapes_of_these_laws_have_venues_that_leave_the_others() -> None:
    found = [a for seed in range(12) for a in reference(RULES["alone"], market(seed)).of("venue_divergence")]
    assert {a.symbol for a in found} == {symbol for symbol, venues in LISTED.items() if len(venues) > 1}
    assert {a.change for a in found} >= {"fired", "recovering", "resolved"}
