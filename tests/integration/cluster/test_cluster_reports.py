"""Reports on the cluster: what several schedulers and workers make of one store."""

import time
import uuid
from threading import Thread

import pytest

from tapewatch.reports.settings import ReportsSettings, ScheduleSettings
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.report_service import Reports
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.elasticsearch import BulkWriter, ElasticSettings, ElasticTaskStore, connect, ensure_indices
from tapewatch.stores.memory import MemoryAlertStore, MemoryCaseStore, MemoryTickHistory

pytestmark = pytest.mark.cluster


def test_two_schedulers_and_two_workers_at_once_give_each_report_once(elasticsearch_server: Running) -> None:
    prefix = f"{uuid.uuid4().hex[:10]}-"
    client = connect(ElasticSettings((elasticsearch_server.address,)))
    ensure_indices(client, prefix, only=("report-tasks", "report-files"))
    settings = ReportsSettings(schedules={"daily": ScheduleSettings(at="00:00", format="csv")})
    source = StoreReportSource(MemoryAlertStore(), MemoryCaseStore(), MemoryTickHistory())
    store = ElasticTaskStore(client, BulkWriter(client, lambda _: None), prefix=prefix)
    offices = [Reports(store, source, settings, time.time_ns) for _ in range(2)]

    def work(reports: Reports) -> None:
        reports.scheduler.submit_due()
        while reports.tasks.work_once() is not None:
            pass

    threads = [Thread(target=work, args=(reports,)) for reports in offices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = client.search(index=f"{prefix}report-tasks", size=100)["hits"]["hits"]
    assert [(hit["_source"]["status"], hit["_source"]["attempts"]) for hit in found] == [("done", 1)] * 2
    assert sum(reports.tasks.counts.done for reports in offices) == 2
    assert all(store.content(hit["_id"]) for hit in found)
    for reports in offices:  # the clock comes round again
        assert reports.tasks.recover() == 0
        work(reports)
    assert client.count(index=f"{prefix}report-tasks")["count"] == 2
    for index in client.indices.get(index=f"{prefix}*", features="aliases"):
        client.indices.delete(index=index)
    client.close()
