"""Report tasks and their files in memory."""

import threading

import msgspec

from tapewatch.stores.port import ReportTask


class MemoryTaskStore:
    """A `TaskStore` in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, ReportTask] = {}
        self._files: dict[str, bytes] = {}

    def put(self, task: ReportTask, content: bytes | None = None) -> None:
        """As the port says; None leaves a file that is there already."""
        with self._lock:
            self._tasks[task.task_id] = task
            if content is not None:
                self._files[task.task_id] = content

    def get(self, task_id: str) -> ReportTask | None:
        """The task, None where there is none."""
        with self._lock:
            return self._tasks.get(task_id)

    def content(self, task_id: str) -> bytes | None:
        """The finished file, None where there is none."""
        with self._lock:
            return self._files.get(task_id)

    def claim(self, now_ns: int) -> ReportTask | None:
        """As the port says."""
        with self._lock:
            queued = [task for task in self._tasks.values() if task.status == "queued"]
            if not queued:
                return None
            oldest = min(queued, key=lambda task: (task.created_ns, task.task_id))
            running = msgspec.structs.replace(oldest, status="running", attempts=oldest.attempts + 1, updated_ns=now_ns)
            self._tasks[running.task_id] = running
            return running

    def requeue_running(self) -> int:
        """As the port says."""
        with self._lock:
            running = [task for task in self._tasks.values() if task.status == "running"]
            for task in running:
                self._tasks[task.task_id] = msgspec.structs.replace(task, status="queued")
            return len(running)
