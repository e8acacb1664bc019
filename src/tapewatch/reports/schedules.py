"""Reports that are made every day at a local time: when they are due, and for which period."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from threading import Event
from zoneinfo import ZoneInfo

import msgspec

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.model.instruments import upper_symbol
from tapewatch.model.report_task import LOOK_BACK_NS
from tapewatch.model.times import DAY_NS, HOUR_NS, SECOND_NS, datetime_to_ns
from tapewatch.reports.content import zone_of
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.settings import ReportsSettings, ScheduleSettings
from tapewatch.reports.tasks import ReportTasks, check_request

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A report every day at `hour`:`minute` of `request.zone`; `request` has no times, each occurrence gives them."""

    name: str
    hour: int
    minute: int
    request: ReportRequest
    recipients: tuple[str, ...] = ()  # each gets a mail of its own; nobody: the report is kept
    settle_ns: int = 0  # how long before it is due its period ends: what began before that has been judged by then

    def __post_init__(self) -> None:
        if not (0 <= self.hour <= 23 and 0 <= self.minute <= 59):
            raise InputError(f"schedule {self.name!r}: {self.hour:02d}:{self.minute:02d} is not a time of day")
        check_request(self.request)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One day's run: it is due at `at_ns` and reports on [from_ns, to_ns), which begins where the last one ended and
    ends the schedule's `settle_ns` before `at_ns`."""

    at_ns: int
    from_ns: int
    to_ns: int


def schedules_of(settings: ReportsSettings) -> tuple[Schedule, ...]:
    """The schedules of the settings, in the order in which they stand there. Raises InputError for an unknown zone."""
    return tuple(_schedule(name, wanted) for name, wanted in settings.schedules.items())


def _schedule(name: str, wanted: ScheduleSettings) -> Schedule:
    request = ReportRequest(
        format=wanted.format,
        venue=wanted.venue,
        symbol=wanted.symbol and upper_symbol(wanted.symbol),
        severity=list(wanted.severity) or None,
        title=wanted.title,
        zone=wanted.zone,
    )
    settle_ns = wanted.settle_hours * HOUR_NS
    return Schedule(name, int(wanted.at[:2]), int(wanted.at[3:]), request, wanted.recipients, settle_ns)


def due(schedule: Schedule, last_run_ns: int, now_ns: int) -> list[Occurrence]:
    """The occurrences with last_run_ns < at_ns <= now_ns, oldest first.

    A local time that the clock skips is due at the first moment after the gap; one that comes twice is due the first
    time. Each period begins where that of the occurrence before ended, so that periods join without gap or overlap
    across both changes of the clock. Cost: one conversion a day of the interval.
    """
    if now_ns <= last_run_ns:
        return []
    zone = zone_of(schedule.request)
    day = _local_date(last_run_ns, zone) - timedelta(days=2)
    last = _local_date(now_ns, zone) + timedelta(days=1)
    moments: list[int] = []
    while day <= last:
        at_ns = _moment(day, schedule.hour, schedule.minute, zone)
        if not moments or at_ns > moments[-1]:  # a day that a zone skips altogether falls on the next one's start
            moments.append(at_ns)
        day += timedelta(days=1)
    pairs, settle_ns = pairwise(moments), schedule.settle_ns
    return [Occurrence(at, before - settle_ns, at - settle_ns) for before, at in pairs if last_run_ns < at <= now_ns]


def task_id(schedule: Schedule, at_ns: int, recipient: str | None) -> str:
    """32 hex digits that name one occurrence of a schedule for one recipient: two runners make one task of it."""
    text = "\x1f".join(("schedule", schedule.name, str(at_ns), recipient or ""))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _local_date(ts_ns: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(ts_ns // SECOND_NS, tz=zone).date()


def _moment(day: date, hour: int, minute: int, zone: ZoneInfo) -> int:
    wanted = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)  # fold=0: the first of two
    ts_ns = datetime_to_ns(wanted)
    if _reads(ts_ns, zone) == wanted.replace(tzinfo=None):
        return ts_ns
    # Skipped: with fold=0 the offset from before the gap was taken, so the moment lies behind the gap by as much as the
    # wanted time lies inside it. The gap ends where the local clock first reads more than what was wanted.
    low, high = ts_ns - 2 * DAY_NS, ts_ns
    while high - low > SECOND_NS:
        middle = (low + high) // 2 // SECOND_NS * SECOND_NS
        if _reads(middle, zone) > wanted.replace(tzinfo=None):
            high = middle
        else:
            low = middle
    return high


def _reads(ts_ns: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(ts_ns // SECOND_NS, tz=UTC).astimezone(zone).replace(tzinfo=None)


@dataclass(slots=True)
class Scheduler:
    """Submits what is due. It keeps no record: occurrences of the last `catch_up_ns` that have no task yet get one.

    So a restart, or a machine that slept, makes up for what it missed, and nothing is made twice.
    """

    schedules: Sequence[Schedule]
    tasks: ReportTasks
    now: Callable[[], int]
    catch_up_ns: int = LOOK_BACK_NS
    started_ns: int | None = None  # occurrences before it are not made up for; None: they are

    def __post_init__(self) -> None:
        for schedule in self.schedules:
            for recipient in schedule.recipients:
                self.tasks.recipients.check(recipient)

    def submit_due(self) -> int:
        """Submit every occurrence that is due and has no task yet; returns how many tasks are new."""
        now_ns = self.now()
        since_ns = max(now_ns - self.catch_up_ns, self.started_ns or 0)
        before = self.tasks.counts.submitted
        for schedule in self.schedules:
            for occurrence in due(schedule, since_ns, now_ns):
                request = msgspec.structs.replace(schedule.request, from_ns=occurrence.from_ns, to_ns=occurrence.to_ns)
                for recipient in schedule.recipients or (None,):
                    self.tasks.submit(request, recipient, task_id(schedule, occurrence.at_ns, recipient))
        return self.tasks.counts.submitted - before

    def run(self, stop: Event, every_s: float = 15.0) -> None:
        """Submit what is due until `stop` is set. For a thread of its own."""
        while not stop.is_set():
            try:
                self.submit_due()
            except RetryableError as error:
                self.tasks.counts.store_errors += 1
                _log.warning("scheduled reports wait for the store: %s", error)
            stop.wait(every_s)
