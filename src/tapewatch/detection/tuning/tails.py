"""Pooled tails of standardised residuals: peaks over threshold, declustered, fitted by weighted moments."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tapewatch.detection.calibration import Tail

QUANTILE = 0.99
RUN_BARS = 10  # exceedances of a symbol nearer than this are one cluster
ENOUGH_PEAKS = 50
XI_RANGE = (0.33, 0.5)
"""Returns have finite variance (xi < 1/2), and no lighter a tail than the inverse cubic law (xi = 1/3; Gopikrishnan et
al. 1998): a few weeks of a few symbols often look lighter, and what comes next does not."""


def pareto(excesses: NDArray[np.float64]) -> tuple[float, float]:
    """(xi, beta) of a generalised Pareto law by probability weighted moments (Hosking and Wallis 1987), with xi held to
    `XI_RANGE` and beta then set by the mean.

    >>> xi, beta = pareto(((1.0 - (np.arange(10000) + 0.5) / 10000) ** -0.4 - 1.0) / 0.4)
    >>> round(xi, 1), round(beta, 1)
    (0.4, 1.0)
    """
    x = np.sort(excesses)
    n = x.size
    mean = float(x.mean())
    a1 = float(((1.0 - (np.arange(1, n + 1) - 0.35) / n) * x).mean())
    xi = 2.0 - mean / (mean - 2.0 * a1) if mean > 2.0 * a1 else XI_RANGE[1]
    xi = min(max(xi, XI_RANGE[0]), XI_RANGE[1])
    return xi, mean * (1.0 - xi)


def peaks(sizes: NDArray[np.float64], u: float) -> NDArray[np.float64]:
    """The largest excess over `u` of each cluster: exceedances less than `RUN_BARS` bars apart belong together."""
    at = np.flatnonzero(sizes > u)
    if not at.size:
        return np.zeros(0)
    begins = np.flatnonzero(np.diff(at, prepend=at[0] - 2 * RUN_BARS) >= RUN_BARS)
    found: NDArray[np.float64] = np.maximum.reduceat(sizes[at], begins) - u
    return found


def fit_tail(series: Sequence[NDArray[np.float64]], default: Tail) -> Tail:
    """Tail of |z| pooled over symbols (one series each, in time order); `default` where it has under 50 peaks."""
    sizes = [np.abs(z) for z in series if z.size]
    if not sizes:
        return default
    pooled = np.concatenate(sizes)
    u = float(np.quantile(pooled, QUANTILE))
    found = np.concatenate([peaks(s, u) for s in sizes])
    if found.size < ENOUGH_PEAKS:
        return default
    above = int((pooled > u).sum())
    xi, beta = pareto(found)
    return Tail(
        u=round(u, 4),
        p_u=round(above / pooled.size, 6),
        xi=round(xi, 4),
        beta=round(beta, 4),
        theta=round(found.size / above, 4),
        calibrated=True,
        exceedances=int(found.size),
    )
