from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.model.times import DAY_NS, HOUR_NS, SECOND_NS, format_local, parse_rfc3339
from tapewatch.reports.addresses import AllowList
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.schedules import Occurrence, Schedule, Scheduler, due, schedules_of, task_id
from tapewatch.reports.settings import ReportsSettings, ScheduleSettings
from tapewatch.reports.tasks import ReportTasks
from tapewatch.stores.memory import MemoryTaskStore
from tests.factories import make_alert
from tests.unit.reports.sources import ListSource
from tests.unit.reports.test_tasks import Post

ZONES = (
    "America/New_York",
    "Europe/Rome",
    "Asia/Kolkata",
    "UTC",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Sao_Paulo",
)


def _schedule(at: str = "06:30", zone: str = "America/New_York", *recipients: str) -> Schedule:
    hour, minute = (int(part) for part in at.split(":"))
    return Schedule("daily", hour, minute, ReportRequest(format="csv", zone=zone), recipients)


def _local(at: str, zone: str, since: str, until: str) -> list[str]:
    found = due(_schedule(at, zone), parse_rfc3339(since), parse_rfc3339(until))
    return [format_local(occurrence.at_ns, zone) for occurrence in found]


def test_a_daily_report_is_due_once_a_day_at_its_local_time() -> None:
    assert _local("06:30", "America/New_York", "2025-04-07T00:00:00Z", "2025-04-09T00:00:00Z") == [
        "2025-04-07 06:30:00-04:00",
        "2025-04-08 06:30:00-04:00",
    ]


def test_a_time_that_the_clock_skips_is_the_first_moment_after() -> None:
    assert _local("02:30", "America/New_York", "2025-03-08T12:00:00Z", "2025-03-10T12:00:00Z") == [
        "2025-03-09 03:00:00-04:00",
        "2025-03-10 02:30:00-04:00",
    ]


def test_a_time_that_comes_twice_is_due_the_first_time_only() -> None:
    assert _local("01:30", "America/New_York", "2025-11-01T12:00:00Z", "2025-11-03T12:00:00Z") == [
        "2025-11-02 01:30:00-04:00",
        "2025-11-03 01:30:00-05:00",
    ]


def test_a_midnight_that_the_clock_skips_is_one_o_clock() -> None:
    assert _local("00:00", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T12:00:00Z") == [
        "2018-11-04 01:00:00-02:00"
    ]


def test_a_day_that_a_zone_skips_has_its_report_at_the_next_days_start() -> None:
    found = _local("08:00", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z")
    assert found == [
        "2011-12-29 08:00:00-10:00",
        "2011-12-31 00:00:00+14:00",
        "2011-12-31 08:00:00+14:00",
        "2012-01-01 08:00:00+14:00",
    ]


def test_periods_follow_one_another_across_a_change_of_the_clock() -> None:
    found = due(_schedule("02:30"), parse_rfc3339("2025-03-07T12:00:00Z"), parse_rfc3339("2025-03-11T12:00:00Z"))
    assert [(o.to_ns - o.from_ns) / HOUR_NS for o in found] == [24, 23.5, 23.5, 24]


def test_nothing_is_due_twice_and_nothing_before_its_time() -> None:
    schedule, at_ns = _schedule("06:30", "UTC"), parse_rfc3339("2025-04-07T06:30:00Z")
    assert due(schedule, at_ns - 1, at_ns - 1) == []
    assert [o.at_ns for o in due(schedule, at_ns - 1, at_ns)] == [at_ns]
    assert due(schedule, at_ns, at_ns + HOUR_NS) == []
    assert due(schedule, at_ns, at_ns - DAY_NS) == []


def test_a_report_is_on_what_had_time_to_be_judged_and_says_so() -> None:
    (schedule,) = schedules_of(ReportsSettings(schedules={"x": ScheduleSettings(at="06:30", format="csv")}))
    (a, b) = due(schedule, parse_rfc3339("2025-04-06T12:00:00Z"), parse_rfc3339("2025-04-08T12:00:00Z"))
    assert (a.from_ns, a.to_ns) == (parse_rfc3339("2025-04-06T03:30:00Z"), parse_rfc3339("2025-04-07T03:30:00Z"))
    assert b.from_ns == a.to_ns
    runner = _runner(MemoryTaskStore(), a.at_ns, schedule)
    runner.catch_up_ns = 1
    runner.submit_due()
    task = runner.tasks.work_once()
    assert task is not None
    assert task.file_name == "tapewatch-20250406T033000Z-20250407T033000Z.csv"


def test_an_alert_that_is_dated_back_to_before_the_time_of_a_report_is_in_one_of_the_two_around_it() -> None:
    (schedule,) = schedules_of(ReportsSettings(schedules={"x": ScheduleSettings(at="06:30", format="csv")}))
    at_ns = parse_rfc3339("2025-04-07T06:30:00Z")
    alert = make_alert(onset_ns=at_ns - HOUR_NS)  # the start of an hourly bar, which is judged when it is over
    (first,), (second,) = due(schedule, at_ns - 1, at_ns), due(schedule, at_ns, at_ns + DAY_NS)

    def told(occurrence: Occurrence, *known: Alert) -> int:
        request = msgspec.structs.replace(schedule.request, from_ns=occurrence.from_ns, to_ns=occurrence.to_ns)
        return len(list(ListSource(known).alerts(request)))

    assert told(first) + told(second, alert) == 1


@given(
    zone=st.sampled_from(ZONES),
    minute=st.integers(0, 1_439),
    start=st.integers(1_300_000_000, 1_800_000_000),
    cuts=st.lists(st.integers(0, 30 * 86_400), min_size=1, max_size=6),
)
def test_however_often_one_asks_each_occurrence_comes_once_in_order_and_periods_join(
    zone: str, minute: int, start: int, cuts: list[int]
) -> None:
    request = ReportRequest(format="csv", zone=zone)
    schedule = Schedule("daily", minute // 60, minute % 60, request, settle_ns=3 * HOUR_NS)
    moments = [start * SECOND_NS, *(sorted((start + cut) * SECOND_NS for cut in cuts))]
    whole = due(schedule, moments[0], moments[-1])
    assert [o for a, b in pairwise(moments) for o in due(schedule, a, b)] == whole
    assert all(a.to_ns == b.from_ns for a, b in pairwise(whole))
    for o in whole:
        assert o.from_ns < o.to_ns == o.at_ns - 3 * HOUR_NS
        assert o.at_ns <= moments[-1]
        local = datetime.fromtimestamp(o.at_ns // SECOND_NS, tz=ZoneInfo(zone))
        wanted = local.replace(hour=minute // 60, minute=minute % 60, second=0)
        assert local >= wanted or local.date() > wanted.date()


def test_the_task_id_names_schedule_occurrence_and_recipient() -> None:
    schedule = _schedule()
    ids = {task_id(schedule, ns, who) for ns in (1, 2) for who in (None, "a@b", "c@d")}
    assert len(ids) == 6
    assert all(len(i) == 32 and int(i, 16) >= 0 for i in ids)


def _runner(store: MemoryTaskStore, now_ns: int, *schedules: Schedule) -> Scheduler:
    tasks = ReportTasks(
        store=store,
        source=ListSource(),
        now=lambda: now_ns,
        new_id=lambda: "never",
        send=Post(),
        recipients=AllowList(["@b.example"]),
    )
    return Scheduler(schedules, tasks, now=lambda: now_ns)


def test_two_runners_and_a_restart_make_one_report_of_each_occurrence() -> None:
    store, now_ns = MemoryTaskStore(), parse_rfc3339("2025-04-07T12:00:00Z")
    first, second = (_runner(store, now_ns, _schedule("06:30", "UTC", "a@b.example", "c@b.example")) for _ in range(2))
    assert first.submit_due() == 4  # two days of catching up, two recipients
    assert second.submit_due() == 0
    first.tasks.work_once()
    assert first.submit_due() == 0
    later = _runner(store, now_ns + DAY_NS, *first.schedules)
    assert later.submit_due() == 2


def test_occurrences_before_the_start_are_not_made_up_for_where_that_is_not_wanted() -> None:
    now_ns = parse_rfc3339("2025-04-07T12:00:00Z")
    runner = _runner(MemoryTaskStore(), now_ns, _schedule("06:30", "UTC"))
    runner.started_ns = now_ns
    assert runner.submit_due() == 0


def test_a_schedule_for_somebody_who_may_not_get_reports_is_refused_at_the_start() -> None:
    with pytest.raises(InputError):
        _runner(MemoryTaskStore(), 0, _schedule("06:30", "UTC", "a@evil.example"))


@pytest.mark.parametrize(("written", "meant"), [("btc/usdt", "BTC/USDT"), ("TSLA", "TSLA"), (None, None)])
def test_a_schedule_finds_its_symbol_in_any_case(written: str | None, meant: str | None) -> None:
    (schedule,) = schedules_of(ReportsSettings(schedules={"x": ScheduleSettings(at="17:05", symbol=written)}))
    assert schedule.request.symbol == meant


def test_schedules_come_from_the_settings() -> None:
    wanted = ScheduleSettings(at="17:05", zone="Europe/Rome", format="csv", severity=("high",), title="Evening")
    (schedule,) = schedules_of(ReportsSettings(schedules={"evening": wanted}))
    assert (schedule.name, schedule.hour, schedule.minute) == ("evening", 17, 5)
    assert schedule.request == ReportRequest(format="csv", zone="Europe/Rome", severity=["high"], title="Evening")


@pytest.mark.parametrize(
    "changed", [ScheduleSettings(at="01:00", zone="Mars"), ScheduleSettings(at="01:00", format="docx")]
)
def test_a_schedule_that_can_never_work_is_refused(changed: ScheduleSettings) -> None:
    with pytest.raises(InputError):
        schedules_of(ReportsSettings(schedules={"x": changed}))
