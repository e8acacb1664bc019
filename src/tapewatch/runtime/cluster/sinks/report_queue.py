"""How the workers of reports are told that one waits: a task without content on Celery's queue `office`.

The report itself is in the store; the message only saves the wait for a worker's next look, so its loss costs seconds.
"""

from collections.abc import Callable

from celery import Celery

from tapewatch.runtime.config.settings import Settings

QUEUE = "office"
WORK_OFF, SUBMIT_DUE = "tapewatch.reports.work_off", "tapewatch.reports.submit_due"
EXPIRES_S = 300


def nudge_reports(settings: Settings) -> Callable[[], None]:
    """A function that sends it; it raises where the queue does not answer, after a second or so."""
    app = Celery(broker=settings.queue.address.reveal(), set_as_current=False)
    app.conf.update(
        broker_transport_options={"socket_connect_timeout": 1.0, "socket_timeout": 1.0, "max_retries": 0},
        broker_connection_retry=False,
        task_publish_retry=False,
    )

    def nudge() -> None:
        app.send_task(WORK_OFF, queue=QUEUE, expires=EXPIRES_S, ignore_result=True)

    return nudge
