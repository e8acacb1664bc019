"""From breadth records of shards to minutes of markets, and from those to groups: pure, with state that can be kept.

A minute is over when every source has passed it. Merging is addition of integers: any dealing of symbols to sources
and any cut of the records into calls gives the same minutes and the same groups.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tapewatch.alerts.groups import close_group, follow_group, open_group
from tapewatch.model.errors import GiveUpError, UnknownLayoutError
from tapewatch.model.market import Group, MarketFindings, MarketMinute, ShardMinutes

NEVER_NS = -(2**63)


class MergerState(msgspec.Struct, frozen=True):
    """What a merger has to remember: how far each source is, minutes that are not over, groups that are open."""

    through: dict[str, int]
    pending: list[MarketMinute] = []
    groups: list[Group] = []


class Merger:
    """Merges the breadth records of `sources`. `take` may be given repeats: what a source said already is left out."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._through = dict.fromkeys(sources, NEVER_NS)
        self._pending: dict[tuple[int, str], MarketMinute] = {}
        self._open: dict[str, Group] = {}

    @property
    def sources(self) -> tuple[str, ...]:
        """Whose records it merges."""
        return tuple(self._through)

    @property
    def through_ns(self) -> int:
        """All minutes up to this one are over."""
        return min(self._through.values())

    @property
    def through(self) -> dict[str, int]:
        """How far each source is; `NEVER_NS` where it has said nothing yet."""
        return dict(self._through)

    @property
    def open_groups(self) -> int:
        """How many markets are in a group now."""
        return len(self._open)

    def take(self, record: ShardMinutes) -> MarketFindings:
        """What follows from one more record: minutes that are over with a symbol past its threshold, and revisions of
        groups, in the order of time. GiveUpError for a source that is none of these."""
        known_ns = self._through.get(record.source)
        if known_ns is None:
            raise GiveUpError(f"a breadth record of {record.source!r}, which is none of {sorted(self._through)}")
        before_ns = self.through_ns
        for minute in record.minutes:
            if minute.end_ns > known_ns:
                key = (minute.end_ns, minute.market)
                known = self._pending.get(key)
                self._pending[key] = minute if known is None else merged(known, minute)
        self._through[record.source] = max(known_ns, record.through_ns)
        return self._finish(before_ns)

    def save(self) -> bytes:
        """The state as bytes, for `load`."""
        pending = [self._pending[key] for key in sorted(self._pending)]
        groups = [self._open[market] for market in sorted(self._open)]
        return msgspec.msgpack.encode(MergerState(self._through, pending, groups), order="sorted")

    def load(self, *saved: bytes) -> None:
        """Go on from what `save` gave (nothing: from the beginning); sources that it does not know are new.
        UnknownLayoutError where another version saved it."""
        if not saved:
            return
        (data,) = saved
        state = _read(data)
        self._through = {source: state.through.get(source, NEVER_NS) for source in self._through}
        self._pending = {(m.end_ns, m.market): m for m in state.pending}
        self._open = {g.market: g for g in state.groups}

    def _finish(self, before_ns: int) -> MarketFindings:
        done_ns = self.through_ns
        found = MarketFindings([], [], done_ns if done_ns > before_ns else 0, {})
        for key in sorted(k for k in self._pending if k[0] <= done_ns):
            minute = self._pending.pop(key)
            found.groups.extend(self._expired(minute.end_ns - 1, [minute.market]))
            if minute.end_ns == done_ns:
                found.active[minute.market] = minute.active
            if not minute.past:
                continue
            found.minutes.append(minute)
            group = self._open.get(minute.market)
            after = open_group(minute) if group is None else follow_group(group, minute)
            if after is not None:
                self._open[minute.market] = after
                found.groups.append(after)
        found.groups.extend(self._expired(done_ns, sorted(self._open)))
        return found

    def _expired(self, now_ns: int, markets: Iterable[str]) -> Iterator[Group]:
        for market in markets:
            group = self._open.get(market)
            if group is not None and group.until_ns <= now_ns:
                del self._open[market]
                yield close_group(group)


def sources_in(saved: bytes) -> set[str]:
    """Of whose records the state is that `save` gave. UnknownLayoutError where another version saved it."""
    return set(_read(saved).through)


def _read(saved: bytes) -> MergerState:
    try:
        return msgspec.msgpack.decode(saved, type=MergerState)
    except msgspec.MsgspecError as error:
        raise UnknownLayoutError(f"what was saved of merged minutes has another layout: {error}") from error


def merged(one: MarketMinute, other: MarketMinute) -> MarketMinute:
    """The same minute of the same market, as two shards saw it, as one."""
    return MarketMinute(
        one.market,
        one.end_ns,
        one.active + other.active,
        one.rising + other.rising,
        one.falling + other.falling,
        one.up + other.up,
        one.down + other.down,
        one.judged + other.judged,
        one.sum_z + other.sum_z,
        one.sum_zz + other.sum_zz,
        one.sum_move + other.sum_move,
        sorted([*one.past, *other.past], key=lambda p: (p.venue, p.symbol, p.up)),
    )
