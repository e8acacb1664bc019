"""pump_dump: within seconds the price jumps, buys pour in and hit the book in bursts, all of it together."""

import math

import numpy as np

from tapewatch.alerts.codes import FIRE, HALF, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.chunks import is_chunk
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.errors import InputError
from tapewatch.model.prices import price_text


class PumpDump(Params, frozen=True, forbid_unknown_fields=True):
    """The rise over the last three chunks of trades (15 s), its buys and its rush orders in one score: the product of
    rise / `pct`, buys / usual and rush orders / usual, which opens at 10 ** `strength`.

    Price is a gate besides: at least `pct` percent and `min_ticks` tick sizes, so that volume alone never fires. Usual
    is an exponentially weighted rate of the past (`memory`), which these chunks enter only once they have left the
    window; `slack` is added to it, so that a coin that hardly trades needs more than a handful of orders. A rush order
    is a buy in the same millisecond as the buy before it: one market order that eats through the book.
    Source: La Morgia, Mei, Sassi and Stefa 2020, "Pump and dumps in the Bitcoin era" (rush orders, 5 to 25 s chunks).
    Cost: two exponentials a chunk. It judges trades and cannot see a pump in bars, nor a slow accumulation before one,
    nor a dump without its pump: falls are left to the price rules.
    """

    strength: float = 4.6
    pct: float = 1.5
    min_ticks: float = 2.5
    min_rushes: int = 2
    min_notional: float = 0.0  # in the quote currency, of the newest chunk
    slack: float = 0.3  # orders a window
    memory: Duration = "12h"
    warm_up: Duration = "1h"


WINDOW = 3
STATE = np.dtype(
    [
        ("end_ns", "i8", (WINDOW,)),
        ("close", "f8", (WINDOW,)),
        ("buys", "i4", (WINDOW,)),
        ("rushes", "i4", (WINDOW,)),
        ("before", "f8"),  # close of the newest chunk that left the window
        ("before_ns", "i8"),
        ("begun_ns", "i8"),
        ("all_buys", "f8"),  # of the past, decayed to `before_ns`
        ("all_rushes", "f8"),
    ]
)
RECORD = np.dtype(
    [
        ("strength", "f8"),
        ("pct", "f8"),
        ("min_ticks", "f8"),
        ("min_rushes", "f8"),
        ("min_notional", "f8"),
        ("slack", "f8"),
        ("memory_ns", "f8"),
        ("warm_up_ns", "f8"),
    ]
)


def _pack(p: PumpDump) -> dict[str, float | int]:
    if p.pct <= 0.0 or p.slack <= 0.0:
        raise InputError(f"pump_dump: pct {p.pct} and slack {p.slack} must be above 0")
    return {
        "strength": p.strength,
        "pct": p.pct,
        "min_ticks": p.min_ticks,
        "min_rushes": p.min_rushes,
        "min_notional": p.min_notional,
        "slack": p.slack,
        "memory_ns": duration_ns(p.memory),
        "warm_up_ns": duration_ns(p.warm_up),
    }


@compiled
def forget_until(state: Row, limit_ns: int, memory_ns: float) -> None:
    """Move chunks that ended at `limit_ns` or before, oldest first, from the window into the rates of the past."""
    for _ in range(WINDOW):
        oldest = -1
        for j in range(WINDOW):
            ended = state.end_ns[j]
            if 0 < ended <= limit_ns and (oldest < 0 or ended < state.end_ns[oldest]):
                oldest = j
        if oldest < 0:
            break
        decay = math.exp(-(state.end_ns[oldest] - state.before_ns) / memory_ns) if state.before_ns > 0 else 0.0
        state.all_buys = state.all_buys * decay + state.buys[oldest]
        state.all_rushes = state.all_rushes * decay + state.rushes[oldest]
        state.before = state.close[oldest]
        state.before_ns = state.end_ns[oldest]
        state.end_ns[oldest] = 0


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if not is_chunk(tick):
        return NONE
    chunk = head.chunk
    window_ns = WINDOW * tick.interval_ns
    if state.begun_ns == 0:
        state.begun_ns = tick.act_ns
    forget_until(state, tick.act_ns - window_ns, params.memory_ns)
    at = (tick.act_ns // tick.interval_ns) % WINDOW
    state.end_ns[at] = tick.act_ns
    state.close[at] = tick.close
    state.buys[at] = chunk.buys
    state.rushes[at] = chunk.rush_buys
    age_ns = tick.act_ns - state.begun_ns
    if tick.fresh or age_ns < params.warm_up_ns or not state.before > 0.0:
        return NONE
    rise = (tick.close / state.before - 1.0) * 100.0
    if rise < 0.5 * params.pct:
        return NONE
    buys = 0.0
    rushes = 0.0
    for j in range(WINDOW):
        if state.end_ns[j] > 0:
            buys += state.buys[j]
            rushes += state.rushes[j]
    signal.direction = 1
    if rushes <= 0.0 or buys <= 0.0:
        return NONE
    share = math.exp(-(tick.act_ns - state.before_ns) / params.memory_ns) * window_ns
    share /= params.memory_ns * -math.expm1(-age_ns / params.memory_ns)
    usual = state.all_buys * share + params.slack
    usual_rushes = state.all_rushes * share + params.slack
    strength = math.log10(rise / params.pct * buys / usual * rushes / usual_rushes)
    material = rise >= params.pct and tick.close - state.before >= params.min_ticks * tick.step
    if strength < params.strength or not material or rushes < params.min_rushes or chunk.notional < params.min_notional:
        return HALF if strength >= 0.5 * params.strength else NONE
    signal.score = min(100.0, OPENS_AT + 20.0 * (strength - params.strength))
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = 10.0 ** (strength / 3.0)
    signal.threshold = 10.0 ** (params.strength / 3.0)
    signal.before = state.before
    signal.source = FIXED
    signal.detail[0] = rise
    signal.detail[1] = buys
    signal.detail[2] = buys / usual
    signal.detail[3] = rushes
    signal.detail[4] = rushes / usual_rushes
    signal.detail[5] = window_ns / 1e9
    signal.detail[6] = chunk.buy_volume
    signal.detail[7] = chunk.largest
    return FIRE


def _sentence(alert: Alert) -> str:
    d = alert.details
    return (
        f"rose {d['rise_pct']:.2f} % within {d['window_s']:g} s, from {price_text(alert.price_before)} to"
        f" {price_text(alert.price)}, on"
        f" {d['buys']:.0f} buys ({d['buys_ratio']:,.0f} times the usual), {d['rush_orders']:.0f} of them in a rush"
        f" ({d['rush_ratio']:,.0f} times): taken together {alert.value:.0f} times the usual, where"
        f" {alert.threshold:.0f} is the limit"
    )


DETECTOR = Detector(
    name="pump_dump",
    version=1,
    params=PumpDump,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    statistic="pump_strength",
    details=(
        "rise_pct",
        "buys",
        "buys_ratio",
        "rush_orders",
        "rush_ratio",
        "window_s",
        "buy_volume",
        "largest_print",
    ),
    sentence=_sentence,
    chunks=True,
)
