"""Reports that are made in the background: queued, rendered, kept, e-mailed; a restart loses none."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Protocol

import msgspec

from tapewatch.model.alerts import SEVERITIES
from tapewatch.model.errors import GiveUpError, InputError, RetryableError, TapewatchError
from tapewatch.model.report_task import ReportTask
from tapewatch.model.times import SECOND_NS, format_rfc3339
from tapewatch.reports.addresses import AllowList
from tapewatch.reports.content import zone_of
from tapewatch.reports.delivery import FileMail, SendFile, UnsureError
from tapewatch.reports.formats import FORMATS, format_named
from tapewatch.reports.port import ReportFormat, ReportRequest, ReportSource
from tapewatch.reports.words import plain

_log = logging.getLogger(__name__)
_request = msgspec.json.Decoder(ReportRequest)
IDLE_S = 1.0


class TaskStore(Protocol):
    """What tasks need of a store; the contract is that of the port of the same name in `stores`."""

    def put(self, task: ReportTask, content: bytes | None = None) -> None: ...

    def get(self, task_id: str) -> ReportTask | None: ...

    def content(self, task_id: str) -> bytes | None: ...

    def claim(self, now_ns: int) -> ReportTask | None: ...

    def requeue_running(self) -> int: ...


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """Bounds of one task. The n-th retry waits `retry_s` * 3**(n-1)."""

    attempts: int = 5
    retry_s: float = 10.0
    file_bytes: int = 512 * 1024 * 1024
    mail_bytes: int = 18 * 1024 * 1024  # a third more once encoded: below the 25 MB that servers usually take


@dataclass(slots=True)
class TaskCounts:
    """What became of tasks since the start; for the metrics."""

    submitted: int = 0
    done: int = 0
    failed: int = 0
    retries: int = 0
    emailed: int = 0
    unsure: int = 0  # mails of which nobody knows whether they arrived; they are sent again under the same id
    requeued: int = 0  # found running at start-up
    store_errors: int = 0  # the store was busy or out of reach; nothing was lost


@dataclass(slots=True)
class _Later:
    due_ns: int
    task_id: str


@dataclass(slots=True)
class ReportTasks:
    """Takes report requests and works them off. All methods may be called from several threads.

    A mail goes out once for each task. It can go out again, with the same Message-ID, in two cases: the mail server
    fell silent after it had the message (counted), or this process died between the server's answer and the store.
    """

    store: TaskStore
    source: ReportSource
    now: Callable[[], int]
    new_id: Callable[[], str]
    send: SendFile | None = None
    recipients: AllowList = field(default_factory=lambda: AllowList(()))
    mail_domain: str = "tapewatch.invalid"  # right-hand side of Message-IDs
    formats: Sequence[ReportFormat] = FORMATS
    limits: TaskLimits = TaskLimits()
    counts: TaskCounts = field(default_factory=TaskCounts)
    _mailed: set[str] = field(default_factory=set)  # sent, but the store does not know it yet
    _later: list[_Later] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)
    _wake: Event = field(default_factory=Event)

    def submit(self, request: ReportRequest, recipient: str | None = None, task_id: str | None = None) -> ReportTask:
        """Queue a report. A `task_id` that is known already gives the task that is there, unchanged.

        Raises InputError for an unknown format or zone, an empty range, or a recipient who may not get reports.
        """
        check_request(request, self.formats)
        if recipient is not None:
            if self.send is None:
                raise InputError("reports cannot be e-mailed: no mail server is set for them")
            self.recipients.check(recipient)
        with self._lock:
            known = self.store.get(task_id) if task_id is not None else None
            if known is not None:
                return known
            now_ns = self.now()
            task = ReportTask(
                task_id=task_id or self.new_id(),
                status="queued",
                created_ns=now_ns,
                updated_ns=now_ns,
                request=msgspec.json.encode(request),
                recipient_email=recipient,
            )
            self.store.put(task)
            self.counts.submitted += 1
        self._wake.set()
        return task

    def recover(self) -> int:
        """At start-up, before any work: queue again what was running when the process died; returns how many."""
        again = self.store.requeue_running()
        self.counts.requeued += again
        return again

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; a task at hand is finished first. For a thread of its own."""
        while not stop.is_set() and self._patiently(self.recover) is None:
            stop.wait(IDLE_S)
        while not stop.is_set():
            self._wake.clear()
            if self._patiently(self.work_once) is None:
                self._wake.wait(IDLE_S)

    def work_once(self) -> ReportTask | None:
        """Work one queued task off as far as it goes and return it as stored; None where there is none."""
        self._queue_what_is_due()
        task = self.store.claim(self.now())
        if task is None:
            return None
        try:
            return self._attempt(task)
        except RetryableError:  # the store's: it still has the task as running
            self._wait(task)
            raise

    def _attempt(self, task: ReportTask) -> ReportTask:
        if task.attempts > self.limits.attempts:  # it died with the process each time
            return self._failed(task, f"given up after {task.attempts - 1} attempts that did not end")
        try:
            return self._done(task)
        except (RetryableError, UnsureError) as error:
            return self._again(task, error)
        except TapewatchError as error:
            return self._failed(task, str(error))
        except Exception as error:  # noqa: BLE001 - a report that cannot be made must not stop the others; it is logged
            _log.exception("report task %s failed", task.task_id)
            return self._failed(task, f"the report could not be made ({type(error).__name__}); see the log")

    def _done(self, task: ReportTask) -> ReportTask:
        content = self.store.content(task.task_id) if task.file_name is not None else None
        if content is None:
            task, content = self._rendered(task)
            self.store.put(task, content)
        if task.recipient_email is not None and not task.emailed:
            if task.task_id not in self._mailed:
                self._mail(task, task.recipient_email, content)
                self._mailed.add(task.task_id)
            task = msgspec.structs.replace(task, emailed=True)
        task = msgspec.structs.replace(task, status="done", error=None, updated_ns=self.now())
        self.store.put(task)
        self._mailed.discard(task.task_id)
        self.counts.done += 1
        return task

    def _rendered(self, task: ReportTask) -> tuple[ReportTask, bytes]:
        request = _request.decode(task.request)
        format_ = format_named(request.format, self.formats)
        content = bytearray()
        for chunk in format_.render(request, self.source, self.now()):
            content += chunk
            if len(content) > self.limits.file_bytes:
                most = self.limits.file_bytes // 1_000_000
                raise GiveUpError(f"the report is larger than {most:,} MB: ask for a shorter range")
        named = msgspec.structs.replace(task, file_name=file_name(request, format_), media_type=format_.media_type)
        return named, bytes(content)

    def _mail(self, task: ReportTask, recipient: str, content: bytes) -> None:
        assert task.file_name is not None and task.media_type is not None
        if self.send is None:
            raise GiveUpError("the report is ready but cannot be e-mailed: no mail server is set for reports")
        if len(content) > self.limits.mail_bytes:
            size, most = len(content) / 1e6, self.limits.mail_bytes / 1e6
            raise GiveUpError(f"the report is ready but too large for a mail ({size:,.1f} MB, at most {most:,.1f} MB)")
        self.recipients.check(recipient)  # the list may have changed since the task was queued
        request = _request.decode(task.request)
        title = plain(request.title or "Market surveillance report", 120)
        mail = FileMail(
            recipient=recipient,
            subject=f"{title}: {_range(request)}",
            body=f"{title}\n\nPeriod: {_range(request)}\nFile: {task.file_name}\n\nMade by tapewatch.\n",
            file_name=task.file_name,
            media_type=task.media_type,
            content=content,
            message_id=f"<report-{task.task_id}@{self.mail_domain}>",
        )
        try:
            self.send(mail)
        except UnsureError:
            self.counts.unsure += 1
            raise
        self.counts.emailed += 1

    def _again(self, task: ReportTask, error: TapewatchError) -> ReportTask:
        if task.attempts >= self.limits.attempts:
            return self._failed(task, f"given up after {task.attempts} attempts: {error}")
        stored = self.store.get(task.task_id) or task  # it may have its file already
        waiting = msgspec.structs.replace(stored, error=f"will be tried again: {error}", updated_ns=self.now())
        self.store.put(waiting)
        self._wait(task)
        self.counts.retries += 1
        return waiting

    def _wait(self, task: ReportTask) -> None:
        pause_ns = int(self.limits.retry_s * 3 ** (min(task.attempts, self.limits.attempts) - 1) * SECOND_NS)
        with self._lock:
            self._later.append(_Later(self.now() + pause_ns, task.task_id))

    def _failed(self, task: ReportTask, reason: str) -> ReportTask:
        stored = self.store.get(task.task_id) or task
        failed = msgspec.structs.replace(stored, status="failed", error=reason, updated_ns=self.now())
        self.store.put(failed)
        self.counts.failed += 1
        return failed

    def _queue_what_is_due(self) -> None:
        """Tasks that wait for a retry are stored as running, so that a restart queues them as well."""
        now_ns = self.now()
        with self._lock:
            due = [later for later in self._later if later.due_ns <= now_ns]
            for later in due:
                task = self.store.get(later.task_id)
                if task is not None and task.status == "running":
                    self.store.put(msgspec.structs.replace(task, status="queued", updated_ns=now_ns))
                self._later.remove(later)

    def _patiently(self, work: Callable[[], object]) -> object:
        try:
            return work()
        except RetryableError as error:
            self.counts.store_errors += 1
            _log.warning("report tasks wait for the store: %s", error)
            return None


def check_request(request: ReportRequest, formats: Sequence[ReportFormat] = FORMATS) -> None:
    """InputError for what can never be served: an unknown format, severity or zone, a range that ends before it
    begins."""
    format_named(request.format, formats)
    for severity in request.severity or ():
        if severity not in SEVERITIES:
            raise InputError(f"severity {severity!r} is not known; write one of {', '.join(SEVERITIES)}")
    zone_of(request)
    if request.from_ns is not None and request.to_ns is not None and request.from_ns >= request.to_ns:
        begin, end = format_rfc3339(request.from_ns), format_rfc3339(request.to_ns)
        raise InputError(f"the range ends ({end}) before it begins ({begin})")


def file_name(request: ReportRequest, format_: ReportFormat) -> str:
    """Name of the file: letters, digits, dots and dashes only, whatever the request says.

    >>> file_name(ReportRequest(format="csv", from_ns=0), FORMATS[0])
    'tapewatch-19700101T000000Z-now.csv'
    """
    begin = "start" if request.from_ns is None else _compact(request.from_ns)
    end = "now" if request.to_ns is None else _compact(request.to_ns)
    return f"tapewatch-{begin}-{end}.{format_.extension}"


def _compact(ts_ns: int) -> str:
    return format_rfc3339(ts_ns // SECOND_NS * SECOND_NS).replace("-", "").replace(":", "")


def _range(request: ReportRequest) -> str:
    begin = "the beginning" if request.from_ns is None else format_rfc3339(request.from_ns)
    end = "now" if request.to_ns is None else format_rfc3339(request.to_ns)
    return f"{begin} to {end}"
