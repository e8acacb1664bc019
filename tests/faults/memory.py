"""How much memory our processes take, over time."""

import math
import threading
import time
from statistics import NormalDist, median

import numpy as np
import psutil

from tests.faults.stack import Cluster

EVERY_S = 2.0
ONE_SIDED_95 = NormalDist().inv_cdf(0.95)
MB = 1 << 20
HOUR_S = 3600.0


class Watch(threading.Thread):
    """Looks at each process (and its children) every two seconds until `stop` is called."""

    def __init__(self, cluster: Cluster, names: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._cluster, self._names, self._done = cluster, names, threading.Event()
        self.seen: dict[str, list[tuple[float, float]]] = {name: [] for name in names}  # (s, MB)

    def run(self) -> None:
        while not self._done.wait(EVERY_S):
            for name in self._names:
                try:
                    size = resident_mb(self._cluster.commands[name].process.pid)
                except psutil.NoSuchProcess:  # a child that just ended; the next look sees what is there
                    continue
                self.seen[name].append((time.monotonic(), size))

    def stop(self) -> None:
        self._done.set()
        self.join()

    def between(self, name: str, begin: float, end: float) -> list[tuple[float, float]]:
        """What was seen of a process from then to then (monotonic s)."""
        return [(at, size) for at, size in self.seen[name] if begin <= at < end]


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its children."""
    parent = psutil.Process(pid)
    return float(sum(p.memory_info().rss for p in [parent, *parent.children(recursive=True)]) / MB)


def middle(samples: list[tuple[float, float]]) -> float:
    """The median size, MB."""
    return median(size for _, size in samples)


def slope_bound(samples: list[tuple[float, float]], block_s: float) -> tuple[float, float]:
    """The least-squares slope of the means of blocks of so long, and its upper 95 % bound (one-sided), MB an hour.

    Two looks in a row see nearly the same, so that a bound from single ones would be far too narrow; the means are
    taken to be independent. At least six blocks.
    """
    at, size = (np.array(column) for column in zip(*samples, strict=True))
    count = round(float(at[-1] - at[0]) / block_s)
    block = np.minimum((at - at[0]) // block_s, count - 1)
    at, size = (np.array([column[block == n].mean() for n in range(count)]) for column in (at, size))
    at = (at - at.mean()) / HOUR_S
    slope = float(at @ size / (at @ at))
    rest = size - size.mean() - slope * at
    error = math.sqrt(float(rest @ rest) / (count - 2) / float(at @ at))
    return slope, slope + _student(count - 2) * error


def _student(freedom: int) -> float:
    """The 95 % quantile of Student's t, expanded around the normal one: to 0.1 % from 4 degrees of freedom on."""
    z, v = ONE_SIDED_95, freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3
