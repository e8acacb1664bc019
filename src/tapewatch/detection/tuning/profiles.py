"""Group scale, phase ratios and seasonal profiles, from the bars of the group's symbols."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tapewatch.detection.calendars import Phase
from tapewatch.detection.calibration import PHASE_NAMES
from tapewatch.detection.groups import BINS, WEEK_BINS
from tapewatch.detection.stats.scale import CLIP
from tapewatch.detection.tuning.bars import Bars
from tapewatch.model.times import MINUTE_NS

SHRINK_DAYS = 5.0
WEEK_DAYS = 28  # below which nobody can tell a weekend from a calm fortnight
ENOUGH_BARS = 60  # of a phase and symbol, below which they say nothing


def sizes(bars: Bars) -> NDArray[np.float64]:
    """|log return| of each bar per square root of a minute; NaN for the first and after a hole."""
    step = np.full(bars.close.size, np.nan)
    step[1:] = np.abs(np.diff(np.log(bars.close))) / np.sqrt(bars.interval_ns[1:] / MINUTE_NS)
    follows = np.diff(bars.ts_ns) == bars.interval_ns[:-1]
    step[1:][~follows] = np.nan
    return step


def clipped_mean(values: NDArray[np.float64]) -> float:
    """Mean with values above five times itself cut, as the live scale does; NaN without values."""
    values = values[np.isfinite(values)]
    mean = float(values.mean()) if values.size else float("nan")
    for _ in range(5):
        mean = float(np.minimum(values, CLIP * mean).mean()) if values.size else mean
    return mean


def phase_means(bars: Bars) -> dict[int, float]:
    """Clipped mean size of a one-minute return by phase, where there is enough."""
    size = sizes(bars)
    return {
        int(phase): mean
        for phase in np.unique(bars.phase)
        if np.isfinite(size[bars.phase == phase]).sum() >= ENOUGH_BARS
        and (mean := clipped_mean(size[bars.phase == phase])) > 0
    }


def scale_and_ratios(group: Sequence[Bars], default: dict[str, float]) -> tuple[float, dict[str, float]]:
    """(the largest symbol's mean size in its main session: a cold symbol is rather judged too mildly, median ratio of
    each phase to it; phases that nobody traded keep their default)."""
    scales: list[float] = []
    ratios: dict[str, list[float]] = {}
    for bars in group:
        means = phase_means(bars)
        main = means.get(4, means.get(2))
        if main is None:
            continue
        scales.append(main)
        for phase, mean in means.items():
            ratios.setdefault(PHASE_NAMES[phase], []).append(mean / main)
    return round(max(scales, default=0.0), 7), default | {k: round(float(np.median(v)), 3) for k, v in ratios.items()}


def profile(group: Sequence[Bars], values: Sequence[NDArray[np.float64]], phase: int) -> list[float] | None:
    """Factor of each bin against the phase's mean, as `_factors` measures it; None where no symbol has enough of the
    phase. Its mean over the bars is 1. Where nothing closes and four weeks are there it has a bin for each half-hour of
    the week: the factor of the half-hour of the day times that of the hour of the week."""
    of_day = [b.bin % BINS for b in group]
    day, counts = _factors(group, values, phase, of_day, BINS)
    if not counts.sum():
        return None
    if phase == Phase.CONTINUOUS and _days(group, phase) >= WEEK_DAYS:
        left = [v / day[at] for v, at in zip(values, of_day, strict=True)]
        week, _ = _factors(group, left, phase, [b.bin // 2 for b in group], WEEK_BINS // 2)
        day = np.tile(day, WEEK_BINS // BINS) * np.repeat(week, 2)
        _, counts = _factors(group, values, phase, [b.bin for b in group], WEEK_BINS)
    mean = float((day * counts).sum() / counts.sum())
    return [round(max(0.05, float(f)), 4) for f in day / mean]


def _days(group: Sequence[Bars], phase: int) -> int:
    return max(np.unique(bars.days()[bars.phase == phase]).size for bars in group)


def _factors(
    group: Sequence[Bars], values: Sequence[NDArray[np.float64]], phase: int, at: Sequence[NDArray[np.int64]], bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(factor, bars) of each bin: the mean over symbols and days against the symbol's own, shrunk to 1 with weight
    n / (n + 5) days; 1 where there is nothing. `at`: the bin of each bar."""
    total, count, days = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for bars, value, of in zip(group, values, at, strict=True):
        keep = (bars.phase == phase) & np.isfinite(value)
        mean = clipped_mean(value[keep])
        if keep.sum() < ENOUGH_BARS or not mean > 0.0:
            continue
        for b in np.unique(of[keep]):
            of_bin = keep & (of == b)
            total[b] += clipped_mean(value[of_bin]) / mean * of_bin.sum()
            count[b] += of_bin.sum()
            days[b] = max(days[b], np.unique(bars.days()[of_bin]).size)
    factor = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    return 1.0 + days / (days + SHRINK_DAYS) * (factor - 1.0), count
