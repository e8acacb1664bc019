"""Ports of the protocol in this process's memory: for tests and the simulator."""

from collections import defaultdict

from tapewatch.runtime.cluster.protocol.ports import Snapshot


class MemoryAttempts:
    """`Attempts` that end with the process."""

    def __init__(self) -> None:
        self._open: dict[str, dict[tuple[int, int], int]] = defaultdict(lambda: defaultdict(int))

    def begin(self, shard: str, start: int, end: int) -> None:
        self._open[shard][start, end] += 1

    def ended(self, shard: str, start: int, end: int) -> None:
        self._open[shard][start, end] -= 1

    def deaths(self, shard: str) -> list[tuple[int, int, int]]:
        return [(start, end, count) for (start, end), count in self._open[shard].items() if count > 0]

    def forget(self, shard: str) -> None:
        self._open.pop(shard, None)


class MemorySnapshots:
    """`Snapshots` that end with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Snapshot]] = defaultdict(list)

    def write(self, snapshot: Snapshot, committed: int) -> bool:
        kept = self._kept[snapshot.shard]
        if not may_replace([s.next for s in kept], committed):
            return False
        self._kept[snapshot.shard] = [*kept[-1:], snapshot]
        return True

    def newest(self, shard: str, at_most: int) -> Snapshot | None:
        return next((s for s in reversed(self._kept[shard]) if s.next <= at_most), None)


def may_replace(kept: list[int], committed: int) -> bool:
    """Whether the older of two snapshots, at these positions with the older first, may give way to a new one: not while
    it is the only one that a rebuild could begin at."""
    return len(kept) < 2 or kept[-1] <= committed
