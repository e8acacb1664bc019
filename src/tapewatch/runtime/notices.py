"""From the news of the alert store and of groups to the notifier: what happened becomes notices, once each."""

import sys
import threading
from collections.abc import Callable

from tapewatch.alerts.incidents import News
from tapewatch.alerts.inhibition import EVERY_SYMBOL, MUTING_TYPES
from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.times import SECOND_NS
from tapewatch.notify.channels import build_channels
from tapewatch.notify.context import Context
from tapewatch.notify.decide import Decider, Grouping
from tapewatch.notify.notifier import Notifier
from tapewatch.notify.port import Notice
from tapewatch.notify.settings import NotifySettings, link_to, routes_of
from tapewatch.notify.targets import Targets
from tapewatch.runtime.group_notices import group_notices, may_be_grouped
from tapewatch.runtime.pipeline import Progress
from tapewatch.stores.markets import MarketReader, group_members, told_incident
from tapewatch.stores.port import AlertQuery, CaseStore
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteCursors, SqliteGroupStore, SqliteNoticeLedger

CURSOR, GROUP_CURSOR = "notices", "notices of groups"
PAGE = 200
POLL_S = 0.5


class Notices:
    """Reads news after a stored cursor, hands them to the notifier, moves the cursor: a crash between two steps only
    repeats what the ledger already knows. `progress` is that of the pipeline, None while there is none."""

    def __init__(
        self,
        database: Database,
        alerts: SqliteAlertStore,
        cases: CaseStore,
        groups: SqliteGroupStore,
        settings: NotifySettings,
        now: Callable[[], int],
        progress: Callable[[], Progress | None] = lambda: None,
    ) -> None:
        channels = build_channels(settings, Context(sys.stderr, Targets(settings.targets), now))
        self.fixed_silences = tuple(s.silence() for s in settings.silences)
        self._cases = cases
        self._alerts, self._groups = alerts, groups
        self._market = MarketReader(groups)
        self._progress = progress
        self._wait_ns = int(settings.group_wait_s * SECOND_NS)
        grouping = Grouping(self._market.group, lambda group: group_members(alerts, group), self._wait)
        decider = Decider(channels, routes_of(settings, channels), self._silences, self._quality, grouping)
        self.notifier = Notifier(decider, SqliteNoticeLedger(database, now), now=now, retry=settings.retry)
        self._cursors = SqliteCursors(database)
        self._link = settings.link
        self._changed = threading.Event()

    def _silences(self) -> list[Silence]:
        return [*self.fixed_silences, *self._cases.silences()]

    def wake(self) -> None:
        """There may be news."""
        self._changed.set()

    def run(self, stop: threading.Event) -> None:
        """Take news until `stop` is set."""
        position, groups = self._cursors.get(CURSOR), self._cursors.get(GROUP_CURSOR)
        while not stop.is_set():
            self._changed.clear()
            groups = self._take_groups(groups)
            position = self._take(position, stop)
            self._changed.wait(POLL_S)

    def _take(self, position: int, stop: threading.Event) -> int:
        while not stop.is_set() and (news := self._alerts.news(position, PAGE)):  # a backlog may take long: heed stop
            self.notifier.accept(self._notice(n) for n in news)
            position = news[-1].seq
            self._cursors.put(CURSOR, position)
        return position

    def _notice(self, news: News) -> Notice:
        (view,) = self._market.views([news.incident])
        (alert,) = self._market.told([news.alert])
        return Notice(
            event=news.event,
            incident=told_incident(news.incident, view),
            alert=alert,
            link=link_to(self._link, news.incident.incident_id, news.alert.alert_id),
        )

    def _take_groups(self, position: int) -> int:
        for seq, group in self._groups.changed(position, PAGE):
            members = group_members(self._alerts, group)
            if not members:  # a group is stored before its alerts: they come with the same delivery
                break
            self.notifier.accept(group_notices(group, members, self._link))
            position = seq
            self._cursors.put(GROUP_CURSOR, position)
        return position

    def _wait(self, notice: Notice) -> int:
        """How long a move waits for its market's minute to be over; 0 where it is, or where there is no market."""
        progress = self._progress()
        if progress is None:
            return 0
        return self._wait_ns if may_be_grouped(notice, progress.market_ns, progress.active) else 0

    def _quality(self, incident: Incident, at_ns: int) -> list[Alert]:
        return [
            alert
            for symbol in (incident.symbol, EVERY_SYMBOL)
            for alert in self._alerts.page(
                AlertQuery(
                    venue=incident.venue,
                    symbol=symbol,
                    category=["data_quality"],
                    alert_type=list(MUTING_TYPES),
                    to_ns=at_ns + 1,
                    limit=PAGE,
                )
            )
        ]
