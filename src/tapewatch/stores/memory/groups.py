"""Market-wide moves in memory."""

import threading

from tapewatch.model.market import Group, MarketFindings, MarketMinute
from tapewatch.stores.port import GroupQuery
from tapewatch.stores.query import group_matches


class MemoryGroupStore:
    """A `GroupStore` in this process's memory; a page costs a sort of all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[str, Group] = {}
        self._minutes: dict[tuple[str, int], MarketMinute] = {}

    def put(self, found: MarketFindings) -> list[Group]:
        """As the port says."""
        effects = []
        with self._lock:
            for minute in found.minutes:
                self._minutes.setdefault((minute.market, minute.end_ns), minute)
            for group in found.groups:
                known = self._groups.get(group.group_id)
                if known is None or known.revision < group.revision:
                    self._groups[group.group_id] = group
                    effects.append(group)
        return effects

    def groups(self, query: GroupQuery) -> list[Group]:
        """As the port says."""
        with self._lock:
            hits = [g for g in self._groups.values() if group_matches(query, g)]
        hits.sort(key=lambda g: (g.opened_ns, g.group_id), reverse=query.newest_first)
        if query.after is not None:
            after = tuple(query.after)
            hits = [g for g in hits if ((g.opened_ns, g.group_id) < after) == query.newest_first]
            hits = [g for g in hits if (g.opened_ns, g.group_id) != after]
        return hits[: max(query.limit, 0)]

    def minutes(self, market: str, from_ns: int, to_ns: int) -> list[MarketMinute]:
        """As the port says."""
        with self._lock:
            return [self._minutes[k] for k in sorted(self._minutes) if k[0] == market and from_ns <= k[1] < to_ns]
