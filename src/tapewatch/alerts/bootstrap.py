"""Intervals of rates by a bootstrap over blocks: what happens on one day is not independent, days nearly are."""

from collections.abc import Sequence

import numpy as np

Interval = tuple[float, float]
NOTHING = (float("nan"), float("nan"))


def block_rate(
    counts: Sequence[float], exposures: Sequence[float], draws: int = 2000, level: float = 0.95
) -> tuple[float, Interval]:
    """(sum of counts / sum of exposures, its interval) where both have one entry a block: a day with its symbol-days.

    The blocks are drawn with replacement (Efron 1979; Künsch 1989), from a generator of a fixed seed, so that the same
    blocks give the same interval. NaN without blocks. Where nothing was counted the upper end is the rule of three
    (Hanley and Lippman-Hand 1983), since no drawing of zeros is anything else.

    >>> block_rate([1, 1, 1], [10, 10, 10])
    (0.1, (0.1, 0.1))
    """
    n, size = np.asarray(counts, float), np.asarray(exposures, float)
    if not size.sum() > 0.0:
        return float("nan"), NOTHING
    if not n.any():
        return 0.0, (0.0, 3.0 / float(size.sum()))
    picks = np.random.default_rng(1).integers(n.size, size=(draws, n.size))
    drawn = n[picks].sum(axis=1) / np.maximum(size[picks].sum(axis=1), 1e-300)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(n.sum() / size.sum()), (float(low), float(high))
