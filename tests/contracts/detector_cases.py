"""For each detector: a tape on which it fires, one on which it must not, and a trap that looks like the first.

Those of installed packages come by the entry point `tapewatch.detector_cases`, under the detector's name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points

from tapewatch.model.instruments import Instrument
from tapewatch.model.times import HOUR_NS, MINUTE_NS, parse_rfc3339
from tests.unit.detection.support import TSLA, Tick, bars, beat, calm, trade

ARCA = Instrument("ARCX", TSLA.symbol)
OPEN_NS = parse_rfc3339("2025-04-07T09:30:00-04:00")
NEXT_OPEN_NS = parse_rfc3339("2025-04-08T09:30:00-04:00")
Tape = Callable[[int, float], list[Tick]]
"""(calm bars before, price) -> ticks."""


@dataclass(frozen=True)
class Case:
    """What the check suite needs to know of one detector."""

    warm_up: int  # bars that it needs: with one fewer it is silent on its positive tape
    positive: Tape
    negative: Tape
    trap: Tape
    trap_is: str
    pegged: bool = False  # to the tape's price


def quiet(n: int, price: float) -> list[Tick]:
    """Nothing happens, though one bar is missing and volume and price do what they always do."""
    ticks = bars(TSLA, calm(n + 60, price), OPEN_NS)
    return [*ticks[: n + 30], *ticks[n + 31 :], beat(ticks[-1].act_ns + MINUTE_NS)]


def jump(size: float, volume: float = 1000.0) -> Tape:
    """A bar that moves by `size`, and stays there."""

    def tape(n: int, price: float) -> list[Tick]:
        ticks = bars(TSLA, [*calm(n, price), *[price * (1.0 + size)] * 3], OPEN_NS)
        return [*ticks[:n], replace(ticks[n], volume=volume), *ticks[n + 1 :]]

    return tape


def course(*steps: float) -> Tape:
    """Bars at these fractions of the price, on five times the volume."""

    def tape(n: int, price: float) -> list[Tick]:
        before, ticks = calm(n, price), bars(TSLA, [*calm(n, price), *(price * s for s in steps)], OPEN_NS)
        return [*ticks[: len(before)], *(replace(t, volume=5_000.0) for t in ticks[len(before) :])]

    return tape


def off_scale(n: int, price: float) -> list[Tick]:
    return bars(TSLA, [*calm(n, price), price * 10.0, *calm(3, price)], OPEN_NS)


def collapse(n: int, price: float) -> list[Tick]:
    return bars(TSLA, [*calm(n, price), *calm(6, price / 10.0)], OPEN_NS)


def silence(n: int, price: float) -> list[Tick]:
    ticks = bars(TSLA, calm(n, price), OPEN_NS)
    return [*ticks, beat((ticks[-1].act_ns if ticks else OPEN_NS) + HOUR_NS)]


def evening(n: int, price: float) -> list[Tick]:
    ticks = bars(TSLA, calm(n, price), parse_rfc3339("2025-04-07T16:00:00-04:00") - n * MINUTE_NS)
    return [*ticks, *(beat(ticks[-1].act_ns + i * HOUR_NS) for i in range(1, 17))]


def overnight_gap(n: int, price: float) -> list[Tick]:
    evening = bars(TSLA, calm(n, price), parse_rfc3339("2025-04-07T16:00:00-04:00") - n * MINUTE_NS)
    return [*evening, *bars(TSLA, calm(5, price * 1.06), NEXT_OPEN_NS)]


def flat_then_a_cent(n: int, price: float) -> list[Tick]:
    return bars(TSLA, [*[price] * n, price * 1.0001], OPEN_NS)


def slow_drift(n: int, price: float) -> list[Tick]:
    return bars(TSLA, [price * 1.0005**i for i in range(n + 200)], OPEN_NS)


def pump(price_steps: int, buys: int, side: int = 1) -> Tape:
    """A trade each minute for n minutes and an hour more; then within five seconds this many orders of one side, two a
    millisecond, that walk the price up by so many steps of 0.4 %; and a quarter of an hour of trades after it."""

    def tape(n: int, price: float) -> list[Tick]:
        ticks = [trade(OPEN_NS + i * MINUTE_NS, TSLA, p, 100.0) for i, p in enumerate(calm(n, price))]
        begin = OPEN_NS + n * MINUTE_NS
        for i in range(buys):
            step = min(i, price_steps)
            at = begin + (i // 2) * 20_000_000
            ticks.append(replace(trade(at, TSLA, price * (1.0 + 0.004 * step), 100.0), side=side))
        last = ticks[-1].close if ticks else price
        ticks += [trade(begin + i * MINUTE_NS, TSLA, last * (1.0 + 1e-4 * (i % 2)), 100.0) for i in range(1, 16)]
        return [*ticks, beat(ticks[-1].act_ns + MINUTE_NS)]

    return tape


def gap_of(size: float, *after: float) -> Tape:
    """An evening, and a next morning that opens away from it by `size`, then at these fractions of that."""

    def tape(n: int, price: float) -> list[Tick]:
        evening = bars(TSLA, calm(n, price), parse_rfc3339("2025-04-07T16:00:00-04:00") - n * MINUTE_NS)
        first = price * (1.0 + size)
        return [*evening, *bars(TSLA, [first, *(first * a for a in after), *calm(5, first)], NEXT_OPEN_NS)]

    return tape


def late_move(size: float, before_close: int) -> Tape:
    """A bar that moves by `size`, so many minutes before the close of a session of at least an hour and a half."""

    def tape(n: int, price: float) -> list[Tick]:
        n = max(n, 90)
        start_ns = parse_rfc3339("2025-04-07T16:00:00-04:00") - (n + before_close) * MINUTE_NS
        return bars(TSLA, [*calm(n, price), *[price * (1.0 + size)] * 3], start_ns)

    return tape


def storm(size: float, length: int) -> Tape:
    """So many bars that go up and down by up to `size`, and calm ones after them."""

    def tape(n: int, price: float) -> list[Tick]:
        return bars(TSLA, [*calm(n, price), *calm(length, price, size), *calm(60, price)], OPEN_NS)

    return tape


def again(n: int, price: float) -> list[Tick]:
    """The last bar comes 25 times more."""
    ticks = bars(TSLA, calm(n, price), OPEN_NS)
    return [*ticks, *ticks[-1:] * 25, *bars(TSLA, calm(30, price), OPEN_NS + n * MINUTE_NS)]


def each_corrected(n: int, price: float) -> list[Tick]:
    ticks = bars(TSLA, calm(n, price), OPEN_NS)
    return [t for tick in ticks for t in (tick, replace(tick, volume=tick.volume + 1.0))]


def two_venues(*steps: float, beside: int | None = None) -> Tape:
    """Bars at these fractions of the price, while another venue stays where it was; there it has bars beside so many
    of them (None: all)."""

    def tape(n: int, price: float) -> list[Tick]:
        there = calm(n + (len(steps) if beside is None else beside), price * 1.001, 2e-4)
        ticks = [*bars(TSLA, [*calm(n, price), *(price * s for s in steps)], OPEN_NS), *bars(ARCA, there, OPEN_NS)]
        beats = [beat(OPEN_NS + i * MINUTE_NS) for i in range(1, n + len(steps) + 3)]
        return sorted([*beats, *ticks], key=lambda t: t.act_ns)

    return tape


def installed_cases() -> dict[str, Case]:
    """The cases of installed packages, by detector."""
    found = {entry.name: entry.load() for entry in entry_points(group="tapewatch.detector_cases")}
    for name, case in found.items():
        assert isinstance(case, Case), f"the entry point {name!r} of tapewatch.detector_cases is no Case"
    return found


CASES = {
    "zscore": Case(20, jump(0.01), quiet, flat_then_a_cent, "a cent after flat bars: no variation is no deviation"),
    "sma": Case(20, jump(0.06), quiet, slow_drift, "ten percent, spread over two hundred bars"),
    "price_move": Case(1, jump(0.035), quiet, overnight_gap, "a gap between two sessions"),
    "robust_return": Case(1, jump(0.025), quiet, jump(0.005), "rare for the symbol, but half a percent: not material"),
    "volume_spike": Case(60, jump(0.006, 30_000.0), quiet, jump(0.0, 30_000.0), "volume alone, without a move"),
    "flash_crash": Case(
        58, course(0.985, 0.97, 0.97, 0.999), quiet, course(0.985, *[0.97] * 8), "a fall of three percent that stays"
    ),
    "stale_feed": Case(21, silence, quiet, evening, "a session that ends, and a night"),
    "pump_dump": Case(61, pump(12, 120), pump(0, 0), pump(2, 120), "many orders, and no price"),
    "overnight_gap": Case(1, gap_of(0.06), quiet, gap_of(0.06, 0.945), "a first print that the second takes back"),
    "suspected_split": Case(1, gap_of(-0.5), quiet, gap_of(-0.4), "a gap that is near no ratio"),
    "cusum_drift": Case(1, slow_drift, quiet, jump(0.025), "a single jump"),
    "closing_move": Case(1, late_move(0.03, 8), quiet, late_move(0.03, 40), "the same move, long before the close"),
    "band_proximity": Case(15, jump(0.05), quiet, jump(0.04), "four percent of a band of five"),
    "peg_deviation": Case(
        1,
        jump(-0.025),
        quiet,
        course(*[0.993] * 4, 1.0),
        "0.7 % below its peg, for four minutes",
        pegged=True,
    ),
    "volatility_regime": Case(
        70, storm(0.006, 45), quiet, storm(0.006, 4), "four bars of it: a volatile moment, and no half hour"
    ),
    "feed_disorder": Case(1, again, quiet, each_corrected, "every bar corrected once"),
    "venue_divergence": Case(
        60,
        two_venues(*[1.03] * 20, *[1.0] * 25),
        two_venues(*[1.0] * 60),
        two_venues(*[1.03] * 20, beside=1),
        "a venue that moves, beside one that is stale",
    ),
    "bad_print": Case(1, off_scale, quiet, collapse, "a collapse that goes on: real"),
} | installed_cases()
