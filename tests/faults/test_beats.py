"""Two schedulers and one of them killed: each report is made once, and mailed once."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.faults.run import Record, Run, running
from tests.faults.stack import Servers, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
PATIENCE_S = 240.0  # the other scheduler may wait a minute for the lock of the dead one
AGAIN_S = 40.0  # schedulers look every 15 s


def tasks(run: Run) -> list[dict[str, Any]]:
    """The report tasks in Elasticsearch."""
    url = f"{run.cluster.elasticsearch.address}/report-tasks"
    if httpx.get(url, trust_env=False).status_code == 404:
        return []
    httpx.post(f"{url}/_refresh", trust_env=False)
    found = httpx.get(f"{url}/_search?size=100", trust_env=False).raise_for_status().json()
    return [hit["_source"] for hit in found["hits"]["hits"]]


def settings(run: Run, at: datetime) -> dict[str, str]:
    """One daily report at that time, mailed."""
    mail = {name.replace("NOTIFY__EMAIL", "REPORTS__SMTP"): v for name, v in run.environment.items() if "EMAIL" in name}
    recipients = mail.pop("TAPEWATCH_REPORTS__SMTP__RECIPIENTS")
    daily = {"at": at.strftime("%H:%M"), "format": "csv", "recipients": json.loads(recipients)}
    schedules = json.dumps({"daily": daily})
    return {**mail, "TAPEWATCH_REPORTS__RECIPIENTS": recipients, "TAPEWATCH_REPORTS__SCHEDULES": schedules}


def test_two_beats_give_one_report_a_day(servers: Servers, tmp_path: Path, record_property: Record) -> None:
    with running("two beats", tmp_path, servers, record_property) as run:
        at = datetime.now(UTC) + timedelta(seconds=150)
        run.cluster.begin(settings(run, at), names=("beat-1", "office", "index"))
        queue: Any = Redis.from_url(run.cluster.queue.address)
        wait_until(lambda: bool(queue.keys("tapewatch:beat:*lock")), PATIENCE_S, "the first one to have the lock")
        run.cluster.begin(settings(run, at), names=("beat-2",))
        wait_until(lambda: len(tasks(run)) >= 2, PATIENCE_S, "the reports of the two days before")
        run.cluster.commands["beat-1"].kill()
        wait_until(lambda: [t["status"] for t in tasks(run)] == ["done"] * 3, PATIENCE_S, "the report of today")
        run.measured["report after it was due s"] = round((datetime.now(UTC) - at.replace(second=0)).total_seconds())
        run.cluster.commands["beat-1"].revive()
        time.sleep(AGAIN_S)
        attempts = [task["attempts"] for task in tasks(run)]
        mails = run.mails()
        run.measured |= {"reports": len(attempts), "attempts": attempts, "mails": mails.total()}
        assert attempts == [1, 1, 1]
        assert list(mails.values()) == [1, 1, 1]
