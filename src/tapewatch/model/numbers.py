"""Which numbers can be prices and quantities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST, MOST = 1e-65, 1e50
"""Beyond them, ratios and products of two would be no numbers; some feeds say "no price" by the largest double."""


def reckonable(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values are 0, or a number of such a size, of either sign; not-a-number is none.

    >>> reckonable(np.array([0.0, -37.6, 1e-300, 1.8e308, np.nan])).tolist()
    [True, True, False, False, False]
    """
    size: Any = np.abs(values)
    found: NDArray[np.bool_] = (size <= MOST) & ((size >= LEAST) | (size == 0.0))
    return found
