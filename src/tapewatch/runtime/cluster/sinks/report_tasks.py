"""The tasks of reports, for Celery workers on the queue `office`; Beat sends them by the clock.

Neither carries a report: what is to be made is in the store, and what a schedule owes follows from the clock. So a task
that is lost or comes twice, or a second Beat, changes nothing but the time.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from celery import shared_task

from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.runtime.cluster.celery_app import OFFICE, worker_settings
from tapewatch.runtime.cluster.elastic import elastic_client
from tapewatch.runtime.cluster.sinks.archive import archived_bars
from tapewatch.runtime.cluster.sinks.report_figures import ReportFigures
from tapewatch.runtime.cluster.sinks.report_queue import SUBMIT_DUE, WORK_OFF
from tapewatch.runtime.embedded import load_facts
from tapewatch.runtime.report_service import Reports
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticAlertStore,
    ElasticCaseStore,
    ElasticGroupStore,
    ElasticTaskStore,
    Refused,
    ensure_indices,
)
from tapewatch.stores.elasticsearch.indices import DONE

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _office() -> Reports:
    """What the tasks of this process share; RetryableError while Elasticsearch is down, and then not kept."""
    settings = worker_settings()
    elastic = settings.elasticsearch
    client = elastic_client(elastic)
    ensure_indices(client, elastic.prefix, replicas=elastic.replicas, refresh=elastic.refresh, only=DONE)
    writer = BulkWriter(client, _refuse)
    source = StoreReportSource(
        ElasticAlertStore(client, writer, prefix=elastic.prefix),
        ElasticCaseStore(client, writer, prefix=elastic.prefix),
        archived_bars(settings.archive, client, elastic.prefix),
        groups=ElasticGroupStore(client, writer, prefix=elastic.prefix),
        facts=load_facts(settings.rules.instruments),
    )
    store = ElasticTaskStore(client, writer, prefix=elastic.prefix)
    reports = Reports(store, source, settings.reports, time.time_ns)
    reports.tasks.counts = _figures().counts
    return reports


@lru_cache(maxsize=1)
def _figures() -> ReportFigures:
    return ReportFigures()


@contextmanager
def _patiently(what: str) -> Iterator[None]:
    """Leave it to the next turn where the store does not answer; the figures are told either way."""
    figures = _figures()
    try:
        yield
    except RetryableError as error:
        figures.counts.store_errors += 1
        _log.warning("%s wait for the store: %s", what, error)
    finally:
        figures.tell()


@shared_task(name=WORK_OFF, queue=OFFICE, ignore_result=True)  # type: ignore[untyped-decorator]  # Celery has no types
def work_off() -> None:
    """Make the reports that wait, and queue those again whose worker died."""
    with _patiently("reports"):
        tasks = _office().tasks
        tasks.recover()
        while (done := tasks.work_once()) is not None:
            _log.info("report %s: %s", done.task_id, done.status, extra={"error": done.error})


@shared_task(name=SUBMIT_DUE, queue=OFFICE, ignore_result=True)  # type: ignore[untyped-decorator]
def submit_due() -> None:
    """Queue what the schedules owe, and make it."""
    with _patiently("scheduled reports"):
        if _office().scheduler.submit_due():
            work_off()


def _refuse(refused: Refused) -> None:
    raise GiveUpError(f"Elasticsearch refuses {refused.id} of {refused.index}: {refused.reason}")
