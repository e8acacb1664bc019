"""What rules share of one tick and one symbol: returns, scales, volume, tick size, the window of recent closes."""

import math

from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.layout import PHASES, RECENT, RECENT_GRID_NS
from tapewatch.detection.sessions import day_from_ns, day_until_ns
from tapewatch.detection.stats.scale import learn, sigma_of
from tapewatch.model.times import MINUTE_NS

GAP_BARS = 30
STEP_RENEW = 1000
UNKNOWN_AFTER = 30  # bars of a phase without volume
VOLUME_WEIGHT = 2.0 / 121.0
VOLUME_DEV_WEIGHT = 2.0 / 2401.0  # the level follows the hour, its spread is measured over days
VOLUME_CLIP = 5.0
SWELL_WEIGHT = 1.0 / 3.0
BIN_NS = 30 * MINUTE_NS
PHASE_SECONDS = (14400.0, 19800.0, 23400.0, 14400.0, 86400.0)  # closed, pre, regular, post, continuous


@compiled
def is_gap(head: Row, interval_ns: int, act_ns: int) -> bool:
    """More than 30 bars (trades, and bars below a minute: 30 minutes) since the last close, or an announced halt: no
    return over that."""
    unit = max(interval_ns, MINUTE_NS)
    gap: bool = head.close_ns < 0 or act_ns - head.close_ns > GAP_BARS * unit
    return gap


@compiled
def silence_ns(head: Row, act_ns: int) -> int:
    """Since the last close."""
    return int(act_ns - abs(head.close_ns))


@compiled
def scaled_return(head: Row, close: float, interval_ns: int, act_ns: int) -> float:
    """Log return against the last close, over sqrt(number of bars it spans)."""
    ret = math.log(close / head.close)
    elapsed = act_ns - head.close_ns
    if interval_ns > 0 and elapsed > interval_ns:
        ret /= math.sqrt(elapsed / interval_ns)
    return ret


@compiled
def tick_size(head: Row, group: Row) -> float:
    """Tick size in price: the instrument's, else the smallest step of the last one to two thousand ticks, else 1e-4
    of the price."""
    step: float = head.step
    if group.tick > 0.0:
        return float(group.tick)
    if head.step_before > 0.0 and (step == 0.0 or head.step_before < step):
        step = head.step_before
    return step if step > 0.0 else float(1e-4 * head.close)


@compiled
def profile_bin(phase: int, from_ns: int, until_ns: int, at_ns: int) -> int:
    """Which of a profile's bins the time `at_ns` (a bar: its middle) falls into, in a phase of [from_ns, until_ns),
    from the day's open to its close where there is a lunch break between them.

    Continuous: the half-hour of the UTC week, from Monday. Else 4 to 44 are half-hours since the phase began, but the
    first of them is 0 to 3 (the first minute, to 5, 15 and 30 minutes), and the phase's last 15, 5 and 1 minutes are 45
    to 47: an auction's volume and volatility last for minutes, and a mean over the half-hour would tell them too low.
    """
    if phase == 4:
        return (at_ns // BIN_NS + 3 * 48) % 336  # the epoch was a Thursday
    since = max(0, at_ns - from_ns)  # a held tick may be older than its phase
    left = until_ns - at_ns
    if left <= 15 * MINUTE_NS:
        return 47 if left <= MINUTE_NS else (46 if left <= 5 * MINUTE_NS else 45)
    if since < BIN_NS:
        return int(since >= MINUTE_NS) + int(since >= 5 * MINUTE_NS) + int(since >= 15 * MINUTE_NS)
    half_hour: int = min(44, 3 + since // BIN_NS)
    return half_hour


@compiled
def season_bin(head: Row, at_ns: int) -> int:
    """The bin of `at_ns` in the phase that the symbol is in."""
    return profile_bin(head.phase, day_from_ns(head), day_until_ns(head), at_ns)


@compiled
def sigma_now(head: Row, group: Row, interval_ns: int, season: int, step: float) -> tuple[float, int]:
    """(sigma, source) of a return over one bar now; the group's scale is of a minute and is stretched to the bar."""
    floor = 0.5 * step / head.close
    sigma, source = sigma_of(head.scale, group, head.phase, floor)
    if source == 3:
        sigma *= math.sqrt(max(interval_ns, 1) / MINUTE_NS)
    return max(sigma * group.vol[head.phase][season], floor), source


@compiled
def close_before(head: Row, limit_ns: int) -> int:
    """Place in the window of the newest close that is from `limit_ns` or earlier, else of the oldest there is. The
    window must not be empty."""
    n = head.recent_n
    oldest = max(0, n - RECENT)
    j = n - 1
    while j > oldest and head.recent_ns[j & (RECENT - 1)] > limit_ns:
        j -= 1
    return int(j & (RECENT - 1))


@compiled
def normal_volume(head: Row, group: Row, season: int) -> float:
    """Volume that this time of day expects; NaN before the first."""
    return head.volume * group.volume[head.phase][season] if head.volume_n > 0 else math.nan


@compiled
def volume_known(head: Row) -> bool:
    """False where this phase never had volume, or none in its last 30 bars."""
    known: bool = head.phase_n[head.phase] > head.zeros[head.phase] and head.zeros[head.phase] < UNKNOWN_AFTER
    return known


@compiled
def swell(before: float, times: float) -> float:
    """Volume of the newest bars in times of the normal: an exponentially weighted mean, in which one bar counts at most
    `VOLUME_CLIP` times, so that a single one is no run of them."""
    return before + SWELL_WEIGHT * (min(times, VOLUME_CLIP) - before)


@compiled
def volume_now(head: Row, tick: Row) -> float:
    """Volume of the newest bars, this one among them, in times of the normal; infinite where volume is unknown, or
    outside of the hours in which it tells."""
    if not tick.known or tick.phase not in (2, 4) or not tick.normal_volume > 0.0:
        return math.inf
    return float(swell(head.swell, tick.volume / tick.normal_volume))


@compiled
def take_volume(head: Row, group: Row, season: int, volume: float) -> None:
    """Learn a volume: known or not by phase; mean, log deviation and swell where it is the regular session's."""
    phase = head.phase
    head.phase_n[phase] += 1
    if phase in (2, 4) and head.volume_n > 0:
        head.swell = swell(head.swell, volume / (head.volume * group.volume[phase][season]))
    if not volume > 0.0:
        head.zeros[phase] = min(head.zeros[phase] + 1, UNKNOWN_AFTER)
        return
    head.zeros[phase] = 0
    if phase not in (2, 4):
        return
    adjusted = volume / group.volume[phase][season]
    n = head.volume_n
    weight = max(1.0 / (n + 1.0), VOLUME_WEIGHT)
    if n >= 20:
        adjusted = min(adjusted, VOLUME_CLIP * head.volume)
    if n > 0:
        deviation = abs(math.log(adjusted / head.volume))
        head.volume_dev += max(1.0 / (n + 1.0), VOLUME_DEV_WEIGHT) * (deviation - head.volume_dev)
    head.volume += weight * (adjusted - head.volume)
    head.volume_n = n + 1


@compiled
def take_scale(head: Row, group: Row, ret: float, season: int, step: float) -> None:
    """Learn a return into its phase's scale, seasonally adjusted and clipped."""
    factor = group.vol[head.phase][season]
    learn(head.scale[head.phase], abs(ret) / factor, 0.5 * step / head.close)


@compiled
def take_step(head: Row, close: float) -> None:
    """Learn the tick size from the price: the smallest step, over two thousands of ticks in turn."""
    step = abs(close - head.close)
    if head.close > 0.0 and step > 1e-12 * close and (head.step == 0.0 or step < head.step):
        head.step = step
    if head.count % STEP_RENEW == 0:
        head.step_before = head.step
        head.step = 0.0


@compiled
def take_recent(head: Row, close: float, act_ns: int) -> None:
    """Put a close into the window in time: within one cell of the grid the newest replaces the one before it."""
    n = head.recent_n
    if n > 0:
        last_ns = head.recent_ns[(n - 1) & (RECENT - 1)]
        if abs(act_ns - last_ns) < RECENT_GRID_NS and last_ns // RECENT_GRID_NS == act_ns // RECENT_GRID_NS:
            n -= 1
    head.recent_ns[n & (RECENT - 1)] = act_ns
    head.recent_close[n & (RECENT - 1)] = close
    head.recent_n = n + 1


@compiled
def per_day(phase: int, interval_ns: int) -> float:
    """Ticks of this length in one day's phase; 0 for trades."""
    return PHASE_SECONDS[phase] * 1e9 / interval_ns if interval_ns > 0 else 0.0


assert len(PHASE_SECONDS) == PHASES
