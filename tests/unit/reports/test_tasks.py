import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import msgspec
import pytest

from tapewatch.model.errors import GiveUpError, InputError, RetryableError
from tapewatch.model.report_task import ReportTask
from tapewatch.model.times import SECOND_NS
from tapewatch.reports.addresses import AllowList
from tapewatch.reports.delivery import FileMail, UnsureError
from tapewatch.reports.formats import FORMATS
from tapewatch.reports.port import ReportRequest, ReportSource
from tapewatch.reports.tasks import ReportTasks, TaskLimits
from tapewatch.stores.memory import MemoryTaskStore
from tests.factories import ONSET_NS, make_alert
from tests.unit.reports.sources import ListSource

CSV = ReportRequest(format="csv")


class Post:
    """A `SendFile` that fails as told, then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.tried: list[FileMail] = []
        self.sent: list[FileMail] = []

    def __call__(self, mail: FileMail) -> None:
        self.tried.append(mail)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(mail)


class Clock:
    def __init__(self) -> None:
        self.ns = ONSET_NS

    def __call__(self) -> int:
        return self.ns


class BrokenFormat:
    name, media_type, extension = "broken", "text/plain", "txt"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def render(self, request: ReportRequest, source: ReportSource, generated_ns: int) -> Iterator[bytes]:
        yield b"half"
        raise self.error


class BusyStore(MemoryTaskStore):
    """Refuses the puts for which `busy` is true."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: Callable[[ReportTask], bool] = lambda task: False

    def put(self, task: ReportTask, content: bytes | None = None) -> None:
        if self.busy(task):
            raise RetryableError("the store is busy")
        super().put(task, content)


def _tasks(post: Post | None = None, **changed: Any) -> tuple[ReportTasks, Clock]:
    clock, ids = Clock(), count(1)
    fields: dict[str, Any] = {
        "store": BusyStore(),
        "source": ListSource([make_alert()]),
        "now": clock,
        "new_id": lambda: f"task{next(ids)}",
        "send": post,
        "recipients": AllowList(["@example.org"]),
        "mail_domain": "example.org",
    }
    return ReportTasks(**(fields | changed)), clock


def test_a_queued_report_is_made_and_kept() -> None:
    tasks, _ = _tasks()
    queued = tasks.submit(CSV)
    assert queued.status == "queued"
    done = tasks.work_once()
    assert done is not None
    assert (done.status, done.file_name, done.media_type) == (
        "done",
        "tapewatch-start-now.csv",
        "text/csv; charset=utf-8",
    )
    content = tasks.store.content(queued.task_id)
    assert content is not None
    assert make_alert().alert_id.encode() in content
    assert tasks.store.get(queued.task_id) == done
    assert tasks.work_once() is None


def test_a_finished_report_is_mailed_once_with_its_file() -> None:
    post = Post()
    tasks, _ = _tasks(post)
    task = tasks.submit(CSV, "a@example.org")
    done = tasks.work_once()
    assert done is not None
    assert done.emailed
    (mail,) = post.sent
    assert mail.recipient == "a@example.org"
    assert mail.content == tasks.store.content(task.task_id)
    assert mail.message_id == "<report-task1@example.org>"
    tasks.recover()
    assert tasks.work_once() is None
    assert tasks.counts.emailed == 1


@pytest.mark.parametrize("recipient", ["a@evil.example", "a@example.org\r\nBcc: b@evil.example", "nobody"])
def test_a_recipient_who_may_not_get_reports_is_refused_before_anything_is_stored(recipient: str) -> None:
    tasks, _ = _tasks(Post())
    with pytest.raises(InputError):
        tasks.submit(CSV, recipient)
    assert tasks.store.get("task1") is None


def test_without_a_mail_server_a_recipient_is_refused() -> None:
    tasks, _ = _tasks(None)
    with pytest.raises(InputError, match="no mail server"):
        tasks.submit(CSV, "a@example.org")


@pytest.mark.parametrize(
    "request_",
    [
        ReportRequest(format="x"),
        ReportRequest(format="csv", zone="x"),
        ReportRequest(format="csv", from_ns=2, to_ns=2),
        ReportRequest(format="csv", severity=["hihg"]),
    ],
)
def test_what_can_never_be_made_is_refused_at_once(request_: ReportRequest) -> None:
    tasks, _ = _tasks()
    with pytest.raises(InputError):
        tasks.submit(request_)


def test_one_task_id_is_one_task() -> None:
    tasks, _ = _tasks()
    tasks.submit(CSV, task_id="t")
    done = tasks.work_once()
    assert tasks.submit(CSV, task_id="t") == done
    assert tasks.work_once() is None
    assert tasks.counts.submitted == 1


def test_a_mail_that_failed_for_now_is_tried_again_later_without_making_the_report_again() -> None:
    post = Post(RetryableError("451 later"))
    tasks, clock = _tasks(post)
    tasks.submit(CSV, "a@example.org")
    waiting = tasks.work_once()
    assert waiting is not None
    assert waiting.status == "running"
    assert "451 later" in (waiting.error or "")
    tasks.source = ListSource()  # what a second rendering would show
    assert tasks.work_once() is None
    clock.ns += 10 * SECOND_NS
    done = tasks.work_once()
    assert done is not None
    assert (done.status, done.error, done.attempts) == ("done", None, 2)
    assert [mail.message_id for mail in post.tried] == ["<report-task1@example.org>"] * 2
    assert make_alert().alert_id.encode() in post.sent[0].content
    assert tasks.counts.retries == 1


def test_retries_end_and_say_why() -> None:
    post = Post(*[RetryableError("451 later")] * 9)
    tasks, clock = _tasks(post, limits=TaskLimits(attempts=3))
    tasks.submit(CSV, "a@example.org")
    for _ in range(6):
        tasks.work_once()
        clock.ns += 3_600 * SECOND_NS
    task = tasks.store.get("task1")
    assert task is not None
    assert task.status == "failed"
    assert task.error == "given up after 3 attempts: 451 later"
    assert len(post.tried) == 3
    assert tasks.store.content("task1") is not None  # the report itself can be fetched


def test_a_mail_that_is_refused_for_good_is_not_tried_again() -> None:
    post = Post(GiveUpError("550 no such user"))
    tasks, clock = _tasks(post)
    tasks.submit(CSV, "a@example.org")
    failed = tasks.work_once()
    assert failed is not None
    assert (failed.status, failed.error) == ("failed", "550 no such user")
    clock.ns += 10**15
    assert tasks.work_once() is None


def test_a_mail_of_uncertain_fate_is_sent_again_under_the_same_id_and_counted() -> None:
    post = Post(UnsureError("fell silent"))
    tasks, clock = _tasks(post)
    tasks.submit(CSV, "a@example.org")
    tasks.work_once()
    clock.ns += 10 * SECOND_NS
    done = tasks.work_once()
    assert done is not None
    assert done.status == "done"
    assert tasks.counts.unsure == 1
    assert len({mail.message_id for mail in post.tried}) == 1


def test_a_store_that_is_busy_after_the_mail_does_not_make_a_second_mail() -> None:
    post, store = Post(), BusyStore()
    tasks, clock = _tasks(post, store=store)
    tasks.submit(CSV, "a@example.org")
    store.busy = lambda task: task.status == "done"
    tasks.work_once()
    store.busy = lambda task: False
    clock.ns += 10 * SECOND_NS
    done = tasks.work_once()
    assert done is not None
    assert done.status == "done"
    assert done.emailed
    assert len(post.sent) == 1


def test_a_store_that_takes_nothing_for_a_while_loses_no_task() -> None:
    store = BusyStore()
    tasks, clock = _tasks(store=store)
    tasks.submit(CSV)
    store.busy = lambda task: True
    with pytest.raises(RetryableError):
        tasks.work_once()
    store.busy = lambda task: False
    clock.ns += 10 * SECOND_NS
    done = tasks.work_once()
    assert done is not None
    assert done.status == "done"


def test_a_task_that_ran_when_the_process_died_is_made_after_the_restart() -> None:
    tasks, _ = _tasks()
    tasks.submit(CSV)
    tasks.store.claim(ONSET_NS)
    again, _ = _tasks(store=tasks.store)
    assert again.recover() == 1
    done = again.work_once()
    assert done is not None
    assert (done.status, done.attempts) == ("done", 2)


def test_a_task_that_kills_the_process_every_time_is_given_up() -> None:
    tasks, _ = _tasks(limits=TaskLimits(attempts=2))
    tasks.submit(CSV)
    for _ in range(2):
        tasks.store.claim(ONSET_NS)
        tasks.recover()
    failed = tasks.work_once()
    assert failed is not None
    assert failed.error == "given up after 2 attempts that did not end"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GiveUpError("cannot be laid out"), "cannot be laid out"),
        (KeyError("secret"), "the report could not be made (KeyError)"),
    ],
)
def test_a_report_that_cannot_be_made_fails_alone(error: Exception, told: str) -> None:
    tasks, _ = _tasks(formats=(BrokenFormat(error), *FORMATS))
    tasks.submit(msgspec.structs.replace(CSV, format="broken"))
    tasks.submit(CSV)
    failed, done = tasks.work_once(), tasks.work_once()
    assert failed is not None
    assert done is not None
    assert failed.status == "failed"
    assert (failed.error or "").startswith(told)
    assert done.status == "done"
    assert (tasks.counts.failed, tasks.counts.done) == (1, 1)


def test_a_report_that_is_too_large_is_refused_with_advice() -> None:
    tasks, _ = _tasks(limits=TaskLimits(file_bytes=100))
    tasks.submit(CSV)
    failed = tasks.work_once()
    assert failed is not None
    assert "shorter range" in (failed.error or "")


def test_a_file_too_large_for_a_mail_is_kept_and_not_sent() -> None:
    post = Post()
    tasks, _ = _tasks(post, limits=TaskLimits(mail_bytes=10))
    tasks.submit(CSV, "a@example.org")
    failed = tasks.work_once()
    assert failed is not None
    assert "too large for a mail" in (failed.error or "")
    assert post.tried == []
    assert tasks.store.content("task1") is not None


def test_a_recipient_taken_off_the_list_meanwhile_gets_nothing() -> None:
    post = Post()
    tasks, _ = _tasks(post)
    tasks.submit(CSV, "a@example.org")
    tasks.recipients = AllowList([])
    failed = tasks.work_once()
    assert failed is not None
    assert failed.status == "failed"
    assert post.tried == []


def test_a_hostile_title_becomes_a_plain_subject() -> None:
    post = Post()
    tasks, _ = _tasks(post)
    tasks.submit(msgspec.structs.replace(CSV, title="x\r\nBcc: b@evil.example"), "a@example.org")
    tasks.work_once()
    assert post.sent[0].subject == "x Bcc: b@evil.example: the beginning to now"


def test_the_loop_works_until_it_is_stopped() -> None:
    tasks, _ = _tasks()
    stop = threading.Event()
    thread = threading.Thread(target=tasks.run, args=(stop,))
    thread.start()
    try:
        task = tasks.submit(CSV)
        for _ in range(500):
            stored = tasks.store.get(task.task_id)
            if stored is not None and stored.status == "done":
                break
            stop.wait(0.01)
    finally:
        stop.set()
        thread.join(5)
    assert not thread.is_alive()
    assert tasks.counts.done == 1
