"""A rough market from a seed: several symbols and venues, and everything that a tape does to an engine."""

from dataclasses import dataclass, replace
from random import Random

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind
from tapewatch.model.times import HOUR_NS, MINUTE_NS, SECOND_NS, parse_rfc3339
from tests.unit.detection.support import NAN, Tick, beat, trade


@dataclass(frozen=True)
class Listing:
    """One symbol: what its feed delivers and when it wakes up."""

    instrument: Instrument
    price: float
    start_ns: int
    volume: float = 1000.0  # 0 and NaN: unknown
    trades: bool = False
    step_ns: int = MINUTE_NS


def _at(text: str) -> int:
    return parse_rfc3339(text)


LISTINGS = (
    Listing(Instrument("XNAS", "TSLA"), 250.0, _at("2025-04-07T09:00:00-04:00")),  # from pre-market into the session
    Listing(Instrument("XNAS", "THIN"), 3.17, _at("2025-04-07T15:20:00-04:00"), volume=0.0),  # over the close
    Listing(
        Instrument("binance", "BTC/USDT"), 97_000.0, _at("2025-04-07T13:30:00Z"), trades=True, step_ns=SECOND_NS * 7
    ),
    Listing(Instrument("binance", "PEPE/USDT"), 1.2e-5, _at("2025-04-07T13:10:00Z"), volume=NAN),
    Listing(Instrument("XHKG", "0700"), 1e9, _at("2025-04-07T11:10:00+08:00")),  # over the lunch break
)


def market(seed: int, n: int, symbols: int = len(LISTINGS)) -> list[Tick]:
    """n bars or trades of each of the first `symbols` listings, in the order in which they arrive, with heartbeats."""
    random = Random(seed)
    arrivals: list[tuple[int, int, Tick]] = []
    for i, listing in enumerate(LISTINGS[:symbols]):
        arrivals += [(due, i, tick) for due, tick in _one(Random(random.random()), listing, n)]
    last = max(due for due, _, _ in arrivals)
    first = min(due for due, _, _ in arrivals)
    step = random.choice((10 * SECOND_NS, MINUTE_NS, 20 * MINUTE_NS))
    while (last - first) // step > 2000:
        step *= 4
    arrivals += [(at, -1, beat(at)) for at in range(first // step * step, last + 3 * HOUR_NS, max(step, HOUR_NS // 6))]
    return [tick for _, _, tick in sorted(arrivals, key=lambda a: a[:2])]


def _one(random: Random, listing: Listing, n: int) -> list[tuple[int, Tick]]:
    """(arrival, tick) of one symbol. Calm at first, so that scales are known; then anything may happen."""
    now, price, found = listing.start_ns, listing.price, []
    revert = 0.0
    made: list[Tick] = []
    for i in range(n):
        wild = i > 25
        now += listing.step_ns * (random.choice((2, 9, 16, 40, 700)) if wild and random.random() < 0.03 else 1)
        price *= 1.0 + random.gauss(0.0, 4e-4)
        if revert:
            price, revert = revert, 0.0
        elif wild and random.random() < 0.06:
            before = price
            price *= 1.0 + random.choice((-1, 1)) * random.choice((0.012, 0.035, 0.06, 0.13))
            revert = before if random.random() < 0.4 else 0.0
        tick = _tick(random, listing, now, price, i, wild)
        made.append(tick)
        found.append((tick.act_ns + random.choice((0, 0, SECOND_NS)), tick))
        if wild and random.random() < 0.08:
            again = _again(random, random.choice(made[-3:]), i)
            found.append((found[-1][0], again))
    return found


def _tick(random: Random, listing: Listing, now: int, price: float, i: int, wild: bool) -> Tick:
    volume = listing.volume * random.choice((0.5, 1.0, 1.5)) * (30.0 if wild and random.random() < 0.05 else 1.0)
    shown = price
    if wild and random.random() < 0.03:
        shown = random.choice((price * 10.0, price / 10.0, 0.0, -price, price * 100.0))
    if listing.trades:
        return trade(now, listing.instrument, shown, volume, trade_id=i + 1 if random.random() < 0.9 else 0)
    high, low = max(shown, shown * 1.0003), min(shown, shown * 0.9997)
    if wild and random.random() < 0.01:
        high, low = low, high
    return Tick(now, listing.instrument, shown, volume, interval_ns=listing.step_ns, open=shown, high=high, low=low)


def _again(random: Random, tick: Tick, i: int) -> Tick:
    """What arrives beside the tape's order: a repeat, a correction, something late, something from the future."""
    kind = random.randrange(4)
    if kind == 0:
        return tick
    if kind == 1:
        return replace(tick, close=tick.close * 1.0001, high=None, open=None, low=None)
    if kind == 2:
        return replace(
            tick, at_ns=tick.at_ns - tick.interval_ns - MINUTE_NS, trade_id=-i - 1 if tick.kind == Kind.TRADE else 0
        )
    ahead = tick.at_ns + 10 * MINUTE_NS
    return replace(tick, at_ns=ahead, append_ns=tick.act_ns + random.choice((0, 9 * MINUTE_NS + 1)))
