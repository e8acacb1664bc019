"""The five detectors as somebody would write them by hand who needs nothing else: one loop, no engine.

The same arithmetic a bar as price_move, robust_return, volume_spike, stale_feed and bad_print with their default
parameters, and the same memory of each symbol: what tells late bars and repeats, the window of closes, scales by phase,
volume, tick size, cadence, quarantine. What it leaves out is what makes an engine of it: rules that can be chosen,
episodes, explanations, sessions of venues, trades, heartbeats, state that can be saved, cuts that do not matter. It
takes minute bars of symbols that trade around the clock, and says which record fired which rule.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tapewatch.model.ticks import TickBatch

# Floats of a symbol: the last bar as delivered, the last close, tick size, scale and volume.
OPEN, HIGH, LOW, LAST, VOLUME, CLOSE, STEP, STEP_BEFORE, FAST, SLOW, NORMAL, SPREAD, CADENCE, OFTEN, FAR, BUSY = range(
    16
)
FLOATS = 16
# Integers of a symbol.
COUNT, EVENT_NS, ACT_NS, SAME, HOLES, RECENT_N, SCALE_N, VOLUME_N, BARS, ZEROS, DEADLINE, GAPS_N, HELD, CLOSE_NS = (
    range(14)
)
INTS = 16
RECENT, HOLDS = 16, 8
NEVER = 2**63 - 1
PRICE_MOVE, ROBUST_RETURN, VOLUME_SPIKE, STALE_FEED, BAD_PRINT = range(5)


class Memory:
    """What the loop remembers of `symbols` symbols."""

    def __init__(self, symbols: int) -> None:
        self.floats = np.zeros((symbols, FLOATS))
        self.ints = np.zeros((symbols, INTS), np.int64)
        self.ints[:, DEADLINE] = NEVER
        self.recent_ns = np.zeros((symbols, RECENT), np.int64)
        self.recent_close = np.zeros((symbols, RECENT))
        self.held_close = np.zeros((symbols, HOLDS))
        self.held_at = np.zeros((symbols, HOLDS), np.int64)


@njit(error_model="numpy")
def _loop(
    symbol: Any, event: Any, interval: Any, opened: Any, highest: Any, lowest: Any, closed: Any, volumes: Any,
    floats: Any, ints: Any, recents_ns: Any, recents: Any, held: Any, held_at: Any, vol: Any, profile: Any, tail: Any,
    group_scale: float, group_tick: float, p: Any, found: Any, fates: Any,
) -> int:  # fmt: skip
    m = 0
    minute = 60_000_000_000
    for i in range(len(symbol)):
        s = symbol[i]
        f = floats[s]
        n = ints[s]
        act = event[i] + interval[i]
        o, h, lo, c = opened[i], highest[i], lowest[i], closed[i]
        v = volumes[i] if volumes[i] > 0.0 else 0.0
        if n[COUNT] > 0:
            if act < n[ACT_NS]:
                fates[i] = 1
                continue
            if event[i] == n[EVENT_NS] and act == n[ACT_NS]:
                equal = f[OPEN] == o and f[HIGH] == h and f[LOW] == lo and f[LAST] == c and f[VOLUME] == volumes[i]
                fates[i] = 2 if equal else 3
                continue
        if act > n[DEADLINE]:  # stale_feed: it fell silent before this bar
            found[m, 0], found[m, 1] = i, STALE_FEED
            m += 1
            n[DEADLINE] = NEVER
        dt = act - n[ACT_NS] if n[COUNT] > 0 else 0
        n[SAME] = n[SAME] + 1 if n[COUNT] > 0 and event[i] == n[EVENT_NS] else 0
        n[COUNT] += 1
        n[EVENT_NS], n[ACT_NS] = event[i], act
        f[OPEN], f[HIGH], f[LOW], f[LAST], f[VOLUME] = o, h, lo, c, volumes[i]
        slack = 1e-9 * c
        crossed = h < lo - slack or c > h + slack or c < lo - slack or o > h + slack or o < lo - slack
        if not (c > 0.0 and math.isfinite(c)) or not (o > 0.0 and h > 0.0 and lo > 0.0) or crossed:
            found[m, 0], found[m, 1] = i, BAD_PRINT
            m += 1
            continue
        before = f[CLOSE]
        if n[HELD] > 0:  # bad_print: what waits is judged by this bar
            left = (c - before) / (held[s, 0] - before)
            if left <= 0.2:
                for j in range(n[HELD]):
                    found[m, 0], found[m, 1] = held_at[s, j], BAD_PRINT
                    m += 1
                n[HELD] = 0
            elif n[HELD] < 2:
                held[s, n[HELD]], held_at[s, n[HELD]] = c, i
                n[HELD] += 1
                continue
            else:
                before = f[CLOSE] = held[s, n[HELD] - 1]
                n[HELD] = 0
        known = n[BARS] > n[ZEROS] and n[ZEROS] < 30
        bin_ = ((event[i] + interval[i] // 2) // (30 * minute) + 144) % 336
        season = vol[bin_]
        fresh = True
        ret = sigma = math.nan
        own = False
        step = 0.0
        if before > 0.0:
            fresh = act - n[CLOSE_NS] > 30 * interval[i]
            step = f[STEP]
            if group_tick > 0.0:
                step = group_tick
            else:
                if f[STEP_BEFORE] > 0.0 and (step == 0.0 or f[STEP_BEFORE] < step):
                    step = f[STEP_BEFORE]
                step = step if step > 0.0 else 1e-4 * before
            floor = 0.5 * step / before
            if not fresh:
                own = n[SCALE_N] >= 60
                if own:
                    sigma = 1.2533141373155001 * max(f[FAST], f[SLOW])
                elif group_scale > 0.0:
                    sigma = 1.2533141373155001 * max(group_scale, f[FAST]) * math.sqrt(max(interval[i], 1) / minute)
                sigma = max(max(sigma, floor) * season, floor)
                ratio = c / before
                size = abs(ratio - 1.0)
                jumped = not known and size >= p[0] and abs(c - before) > 2.5 * step and size >= 4.0 * sigma
                if ratio >= p[1] or ratio <= 1.0 / p[1] or jumped:
                    held[s, 0], held_at[s, 0] = c, i
                    n[HELD] = 1
                    continue
                elapsed = act - n[CLOSE_NS]
                ret = math.log(ratio)
                if elapsed > interval[i]:
                    ret /= math.sqrt(elapsed / interval[i])
            else:
                n[HOLES] += 1
                n[RECENT_N] = 0
        normal = f[NORMAL] * profile[bin_] if n[VOLUME_N] > 0 else math.nan

        if not fresh and n[RECENT_N] > 0:  # price_move
            oldest = max(0, n[RECENT_N] - RECENT)
            j = n[RECENT_N] - 1
            while j > oldest and recents_ns[s, j & 15] > act - np.int64(p[2]):
                j -= 1
            reference = recents[s, j & 15]
            size = abs(c / reference - 1.0) * 100.0
            if size >= 0.5 * p[3]:
                elapsed = act - recents_ns[s, j & 15]
                stretch = math.sqrt(max(1.0, elapsed / p[2]))
                if size >= p[3] * stretch and abs(c - reference) >= p[4] * step:
                    found[m, 0], found[m, 1] = i, PRICE_MOVE
                    m += 1
        if not fresh and math.isfinite(sigma):  # robust_return
            z = ret / sigma
            often, far = 1.0 + f[OFTEN], 1.0 + f[FAR]
            u, p_u, xi, beta, theta = tail[0], tail[1], tail[2], tail[3], tail[4]
            excess = abs(z) - u
            if own:
                w = p_u / 30.0
                f[OFTEN] += w * ((1.0 / p_u if excess > 0.0 else 0.0) - 1.0 - f[OFTEN])
                if excess > 0.0:
                    f[FAR] += (min(excess / (beta / (1.0 - xi)), 5.0) - 1.0 - f[FAR]) / 50.0
            if abs(z) >= p[5]:
                chance = p_u * often
                if excess > 0.0:
                    chance *= (1.0 + xi * excess / (beta * far)) ** (-1.0 / xi)
                rate = chance * theta * 86400e9 / interval[i]
                size = abs(c - before)
                material = size * 100.0 >= p[6] * before and size >= p[7] * step
                if (rate <= 1e-12 or 1.0 / rate >= p[8]) and material:
                    found[m, 0], found[m, 1] = i, ROBUST_RETURN
                    m += 1
            if known and n[VOLUME_N] >= 60 and normal > 0.0:  # volume_spike
                times = v / normal
                busy = max(f[BUSY], 1.0)
                f[BUSY] += (min(times, 5.0) - f[BUSY]) / 15.0
                if times >= p[9] and act % (1440 * minute) < 5 * minute:
                    times /= p[16]
                if times >= p[9]:
                    expected = p[17] * math.log(max(abs(ret) / sigma, 1.0)) + p[18] * math.log(busy)
                    log_z = (math.log(times) - expected) / max(1.2533141373155001 * f[SPREAD], 0.1)
                    moved = abs(ret) >= p[10] * sigma and abs(c / before - 1.0) * 100.0 >= p[11]
                    if log_z >= p[12] and moved:
                        found[m, 0], found[m, 1] = i, VOLUME_SPIKE
                        m += 1
        if dt > 0 and not fresh:  # stale_feed
            n[GAPS_N] += 1
            f[CADENCE] += max(0.05, 1.0 / n[GAPS_N]) * (dt - f[CADENCE])
        n[DEADLINE] = NEVER
        if n[GAPS_N] >= 20:
            n[DEADLINE] = act + np.int64(min(max(p[13] * f[CADENCE], p[14]), p[15]))

        if not fresh:  # the scale learns
            size = abs(ret) / season
            if n[SCALE_N] >= 20:
                size = min(size, 5.0 * max(f[FAST], f[SLOW], 0.5 * step / before))
            w = 1.0 / (n[SCALE_N] + 1.0)
            f[FAST] += max(w, 2.0 / 31.0) * (size - f[FAST])
            f[SLOW] += max(w, 2.0 / 4801.0) * (size - f[SLOW])
            n[SCALE_N] += 1
        n[BARS] += 1
        if v > 0.0:  # volume learns
            n[ZEROS] = 0
            adjusted = v / profile[bin_]
            w = 1.0 / (n[VOLUME_N] + 1.0)
            if n[VOLUME_N] >= 20:
                adjusted = min(adjusted, 5.0 * f[NORMAL])
            if n[VOLUME_N] > 0:
                f[SPREAD] += max(w, 2.0 / 2401.0) * (abs(math.log(adjusted / f[NORMAL])) - f[SPREAD])
            f[NORMAL] += max(w, 2.0 / 121.0) * (adjusted - f[NORMAL])
            n[VOLUME_N] += 1
        else:
            n[ZEROS] += 1
        moved_by = abs(c - before)
        if before > 0.0 and moved_by > 1e-12 * c and (f[STEP] == 0.0 or moved_by < f[STEP]):
            f[STEP] = moved_by
        if n[COUNT] % 1000 == 0:
            f[STEP_BEFORE], f[STEP] = f[STEP], 0.0
        k = n[RECENT_N]
        if k > 0 and recents_ns[s, (k - 1) & 15] // 20_000_000_000 == act // 20_000_000_000:
            k -= 1
        recents_ns[s, k & 15], recents[s, k & 15] = act, c
        n[RECENT_N] = k + 1
        f[CLOSE], n[CLOSE_NS] = c, act
    return m


def fused(
    batch: TickBatch, memory: Memory, group: Any, parameters: NDArray[np.float64], symbol: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """(record, rule) of every signal in the batch, in order. `group` is a row of the calibration's table."""
    found = np.empty((4096, 2), np.int64)
    fates = np.zeros(len(batch), np.int8)
    tail = group["tail"][4]
    m = _loop(
        symbol, batch.ts_event_ns, batch.interval_ns, batch.open, batch.high, batch.low, batch.close, batch.volume,
        memory.floats, memory.ints, memory.recent_ns, memory.recent_close, memory.held_close, memory.held_at,
        group["vol"][4], group["volume"][4], np.array([tail[k] for k in ("u", "p_u", "xi", "beta", "theta")]),
        float(group["scale"]), float(group["tick"]), parameters, found, fates,
    )  # fmt: skip
    return found[:m]
