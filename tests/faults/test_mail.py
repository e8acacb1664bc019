"""The mail server dies after DATA: it has the mail, and we do not know."""

from pathlib import Path

import pytest

from tests.faults.run import LONG, Record, running
from tests.faults.stack import Servers, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(0)]
DEATHS = 20


def test_each_notice_is_one_mail_or_a_counted_repeat(servers: Servers, tmp_path: Path, record_property: Record) -> None:
    with running("mail dies after DATA", tmp_path, servers, record_property) as run:
        run.box.drop_after_data = True
        run.cluster.begin(run.environment)
        run.feed(300 if LONG else 60)
        wait_until(lambda: len(run.box.messages) >= DEATHS, 60, "mails to be lost sight of")
        run.box.drop_after_data = False
        run.finish()
        cluster = run.cluster
        wait_until(lambda: cluster.figure("tapewatch_notices_pending", "notify") == 0, 300, "every notice to be told")
        told, again = (cluster.figure("tapewatch_notices_total", "notify", what=w) for w in ("delivered", "retried"))
        mails = run.mails()
        repeats = mails.total() - len(mails)
        run.measured |= {"notices": len(mails), "repeated mails": repeats, "counted as tried again": again}
        assert told == len(mails)
        assert repeats == again >= DEATHS
