"""Moves of whole markets for the notifier of the cluster: kept in Redis, told once each, with their members."""

import logging
from collections.abc import Callable, Sequence

import msgspec

from tapewatch.alerts.groups import group_of
from tapewatch.alerts.incidents import fold
from tapewatch.detection.markets import market_of
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.market import Group, MarketFindings
from tapewatch.model.times import SECOND_NS
from tapewatch.notify.decide import Grouping
from tapewatch.notify.notifier import Notifier
from tapewatch.notify.port import Notice
from tapewatch.notify.settings import NotifySettings
from tapewatch.runtime.group_notices import group_notices, may_be_grouped, weight
from tapewatch.stores.markets import MarketReader, told_incident
from tapewatch.stores.redis.groups import GroupNews, RedisGroupStore
from tapewatch.stores.redis.notices import RedisNoticeMemory

_log = logging.getLogger(__name__)
_AT_ONCE = 20
_ALONE_S = 600.0  # a group none of whose members has an incident here for so long is not told


class GroupDesk:
    """What the notifier knows of groups. Several processes may work on the same Redis: the ledger drops repeats."""

    def __init__(
        self, store: RedisGroupStore, memory: RedisNoticeMemory, settings: NotifySettings, now: Callable[[], int]
    ) -> None:
        self.store, self._memory, self._now = store, memory, now
        self._market = MarketReader(store)
        self._link, self._wait_ns = settings.link, int(settings.group_wait_s * SECOND_NS)
        self.alone = 0
        self.grouping = Grouping(self._market.group, self.members, self._wait)

    def take(self, found: Sequence[MarketFindings]) -> None:
        """Keep what the merger found."""
        for findings in found:
            self.store.put(findings)

    def tell(self, notifier: Notifier) -> None:
        """Owe the notices of groups that began or ended, as soon as the incidents of their members are known: alerts
        are published before the minute that makes a group of them, but maybe read by another process."""
        for news in self.store.news(_AT_ONCE):
            members = self.members(news.group)
            waited_ns = self._now() - news.since_ns
            if members and (self._complete(news.group, members) or waited_ns >= self._wait_ns):
                notifier.accept(_notices(news, members, self._link))
            elif members or waited_ns < _ALONE_S * SECOND_NS:
                continue
            else:
                self.alone += 1
                _log.warning("group %s is not told: no incident of its members is known", news.group.group_id)
            self.store.settle(news)

    def prune(self, keep_ns: int) -> int:
        """Forget groups that opened longer ago than this, by the clock of their markets where that is behind ours: on a
        tape of the past they would be gone before they are told. Returns how many."""
        now_ns, (market_ns, _) = self._now(), self.store.markets()
        return self.store.prune(min(now_ns, market_ns or now_ns) - keep_ns)

    def told(self, notice: Notice) -> Notice:
        """The notice with what its market did, where that is known."""
        (view,) = self._market.views([notice.incident])
        (alert,) = self._market.told([notice.alert])
        return msgspec.structs.replace(notice, incident=told_incident(notice.incident, view), alert=alert)

    def members(self, group: Group) -> list[tuple[Incident, Alert]]:
        """The incidents of a group, oldest first, each with the worst of its alerts."""
        found = []
        for known in self._memory.between(group.from_ns, group.until_ns):
            incident = fold(list(known.alerts.values()))
            if group_of(incident, market_of(incident.venue, incident.symbol), [group]) is not None:
                found.append((incident, max(known.alerts.values(), key=weight)))
        return sorted(found, key=lambda pair: (pair[0].onset_ns, pair[0].incident_id))

    def _complete(self, group: Group, members: Sequence[tuple[Incident, Alert]]) -> bool:
        known = {(incident.venue, incident.symbol) for incident, _ in members}
        return all((m.venue, m.symbol) in known for m in group.members)

    def _wait(self, notice: Notice) -> int:
        market_ns, active = self.store.markets()
        return self._wait_ns if may_be_grouped(notice, market_ns, active) else 0


def _notices(news: GroupNews, members: Sequence[tuple[Incident, Alert]], link: str | None) -> list[Notice]:
    notices = group_notices(news.group, members, link)
    return notices if news.ended else notices[:1]
