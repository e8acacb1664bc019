"""Reports on the cluster: made by a real Celery worker, had by the clock of two beats, each once."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapewatch.model.report_task import ReportTask
from tapewatch.runtime.cluster.servers import Running
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticSettings,
    ElasticTaskStore,
    Operation,
    connect,
    ensure_indices,
)
from tests.factories import make_alerts
from tests.integration.notify_servers import Mailbox, MailServer

pytestmark = pytest.mark.cluster
PATIENCE_S = 240.0
CONFIG = """
[queue]
url = "{queue}"
[elasticsearch]
urls = ["{elastic}"]
prefix = "{prefix}"
[archive]
url = "archive"
[reports]
recipients = ["desk@example.org"]
smtp = {{ host = "127.0.0.1", port = {port}, tls = "none", sender = "tapewatch@example.org" }}
[reports.schedules.daily]
at = "00:00"
format = "csv"
recipients = ["desk@example.org"]
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        process.terminate()
    for process in running:
        process.wait(30)


def test_two_beats_give_each_report_once_with_its_file_and_one_mail(
    elasticsearch_server: Running, queue_redis: Running, tmp_path: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    prefix, box = f"{uuid.uuid4().hex[:10]}-", Mailbox()
    client = connect(ElasticSettings((elasticsearch_server.address,)))
    today_ns = time.time_ns() // 86_400_000_000_000 * 86_400_000_000_000
    alerts = make_alerts(20, from_ns=today_ns - 86_400_000_000_000, days=0.9)
    writer = BulkWriter(client, lambda _: None)
    ensure_indices(client, prefix, only=("alerts",))
    writer.write([Operation(f"{prefix}alerts", a.alert_id, msgspec.json.encode(a)) for a in alerts], "true")
    with MailServer(box) as mail:
        config = tmp_path / "tapewatch.toml"
        config.write_text(
            CONFIG.format(
                queue=queue_redis.address, elastic=elasticsearch_server.address, prefix=prefix, port=mail.port
            )
        )
        environment = {**os.environ, "TAPEWATCH_CONFIG": str(config)}
        celery = [sys.executable, "-m", "celery", "-A", "tapewatch.tasks", "worker", "-Q", "office", "-P", "solo"]
        beat = [sys.executable, "-c", "from tapewatch.runtime.cli import main; main()", "beat"]
        for command in (celery, beat, beat):
            processes.append(subprocess.Popen(command, env=environment, cwd=tmp_path))
        give_up = time.monotonic() + PATIENCE_S
        while len(box.messages) < 2:  # the last two midnights
            assert time.monotonic() < give_up, "no mail came"
            time.sleep(0.2)
        time.sleep(16)  # another round of both beats
    store = ElasticTaskStore(client, writer, prefix=prefix)
    found = client.search(index=f"{prefix}report-tasks", size=100)["hits"]["hits"]
    tasks = [msgspec.json.decode(msgspec.json.encode(hit["_source"]), type=ReportTask) for hit in found]
    assert [(t.status, t.emailed, t.attempts) for t in tasks] == [("done", True, 1)] * 2
    assert len(box.messages) == 2
    contents = [store.content(t.task_id) or b"" for t in tasks]
    assert sum(content.count(a.alert_id.encode()) for content in contents for a in alerts) == len(alerts)
    for index in client.indices.get(index=f"{prefix}*", features="aliases"):
        client.indices.delete(index=index)
    client.close()
