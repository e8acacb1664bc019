"""A report that is made in the background."""

from typing import Literal

import msgspec

from tapewatch.model.times import DAY_NS

LOOK_BACK_NS = 2 * DAY_NS  # so far back schedules make up for what has no task: a task has to stay known for as long
TaskStatus = Literal["queued", "running", "done", "failed"]


class ReportTask(msgspec.Struct, frozen=True, kw_only=True):
    """A report that is made in the background; survives a restart (running ones start again)."""

    task_id: str
    status: TaskStatus
    created_ns: int
    updated_ns: int
    request: bytes  # JSON of the report's request
    recipient_email: str | None = None
    file_name: str | None = None
    media_type: str | None = None
    error: str | None = None
    attempts: int = 0
    emailed: bool = False
