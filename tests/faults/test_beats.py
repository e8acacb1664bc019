"""Two schedulers and one of them killed: each report is made once, and mailed once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.run import Record, Run, running
from tests.faults.stack import Servers, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
PATIENCE_S = 240.0  # the other scheduler may wait a minute for the lock of the dead one


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
    mail = {name.replace("NOTIFY__EMAIL", "REPORTS__SMTP"): value for name, value in run.environment.items()}
    recipients = mail.pop("TAPEWATCH_REPORTS__SMTP__RECIPIENTS")
    daily = {"AT": at.strftime("%H:%M"), "FORMAT": "csv", "RECIPIENTS": recipients}
    schedule = {f"TAPEWATCH_REPORTS__SCHEDULES__DAILY__{name}": value for name, value in daily.items()}
    return {**mail, "TAPEWATCH_REPORTS__RECIPIENTS": recipients, **schedule}


def test_two_beats_give_one_report_a_day(servers: Servers, tmp_path: Path, record_property: Record) -> None:
    with running("two beats", tmp_path, servers, record_property) as run:
        at = datetime.now(UTC) + timedelta(seconds=150)
        run.cluster.begin(settings(run, at), names=("beat-1", "beat-2", "office", "index"))
        wait_until(lambda: len(tasks(run)) == 2, PATIENCE_S, "the reports of the two days before")
        beats = [run.cluster.commands[name] for name in ("beat-1", "beat-2")]
        leader = next(beat for beat in beats if "Acquired lock" in beat.log.read_text())
        leader.kill()
        run.measured["killed"] = leader.name
        wait_until(lambda: [t["status"] for t in tasks(run)] == ["done"] * 3, PATIENCE_S, "the report of today")
        run.measured["report after it was due s"] = round((datetime.now(UTC) - at.replace(second=0)).total_seconds())
        leader.revive()
        wait_until(lambda: len(leader.log.read_text().split("Starting")) > 2, 60, "the killed one to be back")
        attempts = [task["attempts"] for task in tasks(run)]
        mails = run.mails()
        run.measured |= {"reports": len(attempts), "attempts": attempts, "mails": mails.total()}
        assert attempts == [1, 1, 1]
        assert list(mails.values()) == [1, 1, 1]
