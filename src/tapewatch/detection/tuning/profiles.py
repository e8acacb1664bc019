"""Group scale, phase ratios and seasonal profiles, from the bars of the group's symbols."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tapewatch.detection.calibration import PHASE_NAMES
from tapewatch.detection.groups import BINS
from tapewatch.detection.stats.scale import CLIP
from tapewatch.detection.tuning.bars import Bars
from tapewatch.model.times import MINUTE_NS

SHRINK_DAYS = 5.0
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
    """Factor of each bin against the phase's mean: the mean over symbols and days, shrunk to 1 with weight n / (n + 5)
    days; 1 where there is nothing. None where no symbol has enough of the phase. Its mean over the bars is 1."""
    total, count, days = np.zeros(BINS), np.zeros(BINS), np.zeros(BINS)
    for bars, value in zip(group, values, strict=True):
        keep = (bars.phase == phase) & np.isfinite(value)
        mean = clipped_mean(value[keep])
        if keep.sum() < ENOUGH_BARS or not mean > 0.0:
            continue
        for b in np.unique(bars.bin[keep]):
            of_bin = keep & (bars.bin == b)
            total[b] += clipped_mean(value[of_bin]) / mean * of_bin.sum()
            count[b] += of_bin.sum()
            days[b] = max(days[b], np.unique(bars.days()[of_bin]).size)
    if not count.sum():
        return None
    weight = days / (days + SHRINK_DAYS)
    factor = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    shrunk = 1.0 + weight * (factor - 1.0)
    mean = float((shrunk * count).sum() / count.sum())
    return [round(max(0.05, float(f)), 4) for f in shrunk / mean]
