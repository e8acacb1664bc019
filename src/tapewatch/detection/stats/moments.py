"""Sums over the last n closes in constant time: shifted data (Chan, Golub and LeVeque 1983), renewed by a tick count.

The sums are of `close - anchor`; the anchor and the sums are made anew from the window every 256 ticks, so that
rounding cannot pile up. A window of equal closes has a variance of exactly 0, and a variance small enough for
rounding to matter is computed again in two passes from the window itself.
"""

import numpy as np

from tapewatch.alerts.compiled import Row, compiled, compiled_apart

MOMENTS = np.dtype(
    [("anchor", "f8"), ("s1", "f8"), ("s2", "f8"), ("n", "i8"), ("same", "i8"), ("last", "f8"), ("pos", "i8")],
    align=True,
)
RENEW = 256
DOUBTFUL = 1e-9  # below this share of the squared level (of close - anchor), two passes


@compiled
def catch_up(moments: Row, head: Row, window: int) -> None:
    """Take in the closes that came while the rule did not look (phases that it does not judge), and those that a split
    restated: the window is that of the symbol. Must run before the sums are used."""
    missed = head.pos - moments.pos
    last = head.closes[(head.pos - 1) & (head.closes.shape[0] - 1)]
    if moments.n == 0 or (missed == 0 and last == moments.last):
        return
    moments.n += missed
    moments.pos = head.pos
    moments.same = 1
    moments.last = last
    _renew(moments, head, moments.last, min(moments.n, window))


@compiled_apart
def _renew(moments: Row, head: Row, anchor: float, kept: int) -> None:
    """Make the sums anew from the last `kept` closes of the window."""
    mask = head.closes.shape[0] - 1
    s1 = 0.0
    s2 = 0.0
    for j in range(head.pos - kept, head.pos):
        x = head.closes[j & mask] - anchor
        s1 += x
        s2 += x * x
    moments.anchor = anchor
    moments.s1 = s1
    moments.s2 = s2


@compiled
def slide(moments: Row, head: Row, close: float, window: int) -> None:
    """Take a close in and let the one that leaves the window go. Must run before the engine appends to
    `head.closes`."""
    n = moments.n
    mask = head.closes.shape[0] - 1
    moments.pos = head.pos + 1
    moments.same = moments.same + 1 if n > 0 and close == moments.last else 1
    moments.last = close
    if n % RENEW == 0:
        _renew(moments, head, close, min(n, window - 1))
        moments.n = n + 1
        return
    x = close - moments.anchor
    if n >= window:
        old = head.closes[(head.pos - window) & mask] - moments.anchor
        moments.s1 += x - old
        moments.s2 += x * x - old * old
    else:
        moments.s1 += x
        moments.s2 += x * x
    moments.n = n + 1


@compiled
def variance(moments: Row, head: Row, n: int, included: int, close: float) -> float:
    """Population variance of the n closes in the sums; exactly 0 where they are all equal."""
    if moments.same >= n:
        return 0.0
    mean = moments.s1 / n
    square = moments.s2 / n
    var: float = square - mean * mean
    if var > DOUBTFUL * square:
        return var
    mask = head.closes.shape[0] - 1
    first = head.pos - n + included
    mean = close - moments.anchor if included else 0.0
    for j in range(first, head.pos):
        mean += head.closes[j & mask] - moments.anchor
    mean /= n
    x = close - moments.anchor - mean if included else 0.0
    var = x * x
    for j in range(first, head.pos):
        x = head.closes[j & mask] - moments.anchor - mean
        var += x * x
    return var / n
