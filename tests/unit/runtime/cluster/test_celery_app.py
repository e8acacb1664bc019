"""The Celery app of each kind of process."""

import subprocess
import sys

_IMPORTS = """
import sys
from tapewatch.runtime.cluster.celery_app import make_app
from tapewatch.runtime.config.settings import Settings
app = make_app(Settings(), {queues})
app.loader.import_default_modules()
print(sorted(name for name in app.tasks if name.startswith("tapewatch.")), "elasticsearch" in sys.modules)
"""


def tasks_of(queues: str) -> str:
    """What a process of its own has loaded, since tasks are known to every app of a process."""
    command = [sys.executable, "-c", _IMPORTS.format(queues=queues)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_worker_of_batches_waits_for_no_import_of_reports() -> None:
    assert tasks_of("['detect']") == "['tapewatch.detect'] False"


def test_a_worker_of_reports_has_their_tasks_alone() -> None:
    assert tasks_of("['office']") == "['tapewatch.reports.submit_due', 'tapewatch.reports.work_off'] True"
