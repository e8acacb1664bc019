"""From the news of the alert store to the notifier: what happened to incidents becomes notices, once each."""

import sys
import threading
from collections.abc import Callable

from tapewatch.model.alerts import Alert
from tapewatch.notify.channels import build_channels
from tapewatch.notify.context import Context
from tapewatch.notify.decide import Decider
from tapewatch.notify.notifier import Notifier
from tapewatch.notify.port import Notice
from tapewatch.notify.settings import NotifySettings, link_to, routes_of
from tapewatch.notify.targets import Targets
from tapewatch.stores.port import AlertQuery
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteCursors, SqliteNoticeLedger

CURSOR = "notices"
PAGE = 200
POLL_S = 0.5


class Notices:
    """Reads news after a stored cursor, hands them to the notifier, moves the cursor: a crash between two steps only
    repeats what the ledger already knows."""

    def __init__(self, database: Database, alerts: SqliteAlertStore, settings: NotifySettings, now: Callable[[], int]):
        channels = build_channels(settings, Context(sys.stderr, Targets(settings.targets), now))
        silences = tuple(s.silence() for s in settings.silences)
        decider = Decider(channels, routes_of(settings, channels), lambda: silences, self._open_quality)
        self.notifier = Notifier(decider, SqliteNoticeLedger(database, now), now=now, retry=settings.retry)
        self._alerts = alerts
        self._cursors = SqliteCursors(database)
        self._link = settings.link
        self._changed = threading.Event()

    def wake(self) -> None:
        """There may be news."""
        self._changed.set()

    def run(self, stop: threading.Event) -> None:
        """Take news until `stop` is set."""
        position = self._cursors.get(CURSOR)
        while not stop.is_set():
            self._changed.clear()
            position = self._take(position, stop)
            self._changed.wait(POLL_S)

    def _take(self, position: int, stop: threading.Event) -> int:
        while not stop.is_set() and (news := self._alerts.news(position, PAGE)):  # a backlog may take long: heed stop
            self.notifier.accept(
                Notice(
                    event=n.event,
                    incident=n.incident,
                    alert=n.alert,
                    link=link_to(self._link, n.incident.incident_id, n.alert.alert_id),
                )
                for n in news
            )
            position = news[-1].seq
            self._cursors.put(CURSOR, position)
        return position

    def _open_quality(self, venue: str) -> list[Alert]:
        query = AlertQuery(venue=venue, category=["data_quality"], state=["firing", "recovering"], limit=PAGE)
        return self._alerts.page(query)
