"""One tape through one cluster while something goes wrong: begin, hit, finish, and what was measured."""

import json
import math
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from tests.faults.compare import compare
from tests.faults.faults import Fault
from tests.faults.rules import write_rules
from tests.faults.stack import BRIDGES, Cluster, Servers, wait_until
from tests.faults.tapes import Message, Producer, messages
from tests.faults.uninterrupted import Uninterrupted
from tests.integration.notify_servers import Mailbox, MailServer

RATE = 2_000.0
"""Records a second."""
LONG = bool(os.environ.get("FAULTS_LONG"))
"""The issue's own lengths, instead of those that fit into an hour."""
SEED = int(os.environ.get("FAULTS_SEED", "41"))
RESULTS = os.environ.get("FAULTS_RESULTS", "")
"""A JSON file that every run adds what it measured to."""
Record = Callable[[str, object], None]


class Run:
    """A cluster without processes yet, a mail server and rules; `chance` are its dice.

    `measured` is what is told at the end, beside pytest's own properties.
    """

    def __init__(self, name: str, folder: Path, cluster: Cluster, box: Mailbox, mail_port: int) -> None:
        self.name, self.cluster, self.box, self.folder = name, cluster, box, folder
        self.rules, self.chance = write_rules(folder), random.Random(SEED)
        Uninterrupted(self.rules).warm()  # compiles once, what each process would compile by itself at the same time
        self.measured: dict[str, object] = {}
        self.environment = {
            "TAPEWATCH_RULES__FILE": str(self.rules),
            "TAPEWATCH_NOTIFY__EMAIL__HOST": "127.0.0.1",
            "TAPEWATCH_NOTIFY__EMAIL__PORT": str(mail_port),
            "TAPEWATCH_NOTIFY__EMAIL__TLS": "none",
            "TAPEWATCH_NOTIFY__EMAIL__SENDER": "tapewatch@example.org",
            "TAPEWATCH_NOTIFY__EMAIL__RECIPIENTS": '["desk@example.org"]',
        }
        self._producer: Producer | None = None
        self._times: dict[str, list[float]] = {}
        self._late: list[tuple[str, float, float]] = []

    def feed(self, seconds: float, tape: Iterable[Message] | None = None, rate: float = RATE) -> None:
        """Begin to write a tape (else the market's) that lasts so long, once all partitions are taken."""
        cluster = self.cluster
        self._wait(lambda: len(cluster.heads()) == len(cluster.logs), 180, "all partitions to be taken")
        source = tape if tape is not None else messages(int(seconds * rate))
        self._producer = Producer(cluster, source, rate)
        self._producer.start()

    @property
    def feeding(self) -> bool:
        """Whether there is more to come."""
        return self._producer is not None and self._producer.is_alive()

    def hit(self, fault: Fault, outage_s: float) -> None:
        """Let it go wrong, and wait until the tape moves again."""
        fault.act(self.cluster, self.chance, outage_s)
        self.recovers(fault.name, fault.bound_s)

    def recovers(self, name: str, bound_s: float) -> None:
        """Wait until every shard's state has passed what is its log's end now, by a record more where more come.
        What takes longer than the bound is told at the end."""
        began, goal = time.monotonic(), self.cluster.ends()
        self._wait(lambda: reached(self.cluster, goal, beyond=self.feeding), 180, f"the tape to move after {name}")
        taken = time.monotonic() - began
        self._times.setdefault(name, []).append(round(taken, 2))
        if taken > bound_s:
            self._late.append((name, taken, bound_s))

    def finish(self, *, ledger_whole: bool = True, patience_s: float = 180) -> None:
        """Wait for the end of the tape, and compare everything."""
        assert self._producer is not None
        self._producer.join()
        if self._producer.failed is not None:
            raise self._producer.failed
        cluster = self.cluster
        took = self._wait(lambda: cluster.committed() == cluster.ends(), patience_s, "the end of the tape")
        self.measured |= {"recovery s": self._times, "end of the tape after s": round(took, 2)}
        gave_up = {name: command.gave_up for name, command in cluster.commands.items() if command.gave_up}
        self.measured["ended by themselves and started again"] = gave_up
        self.measured |= compare(cluster, self.rules, ledger_whole=ledger_whole)
        assert self._late == [], "recovered too late"

    def _wait(self, ready: Callable[[], bool], timeout_s: float, what: str) -> float:
        """As `wait_until`, with a supervisor: who ends is started again, as `tapewatch cluster` does."""

        def look() -> bool:
            self.cluster.supervise()
            return ready()

        return wait_until(look, timeout_s, what)

    def mails(self) -> "Counter[str]":
        """How often each mail came, by its Message-ID."""
        found = [message_from_bytes(content, policy=default) for _, content, _ in self.box.messages]
        return Counter(str(mail["Message-ID"]).strip() for mail in found)

    def refused(self) -> float:
        """Commits that the state refused so far, as the processes' figures say."""
        worker = self.cluster.figure("tapewatch_commits_refused_total", "worker", *BRIDGES)
        return worker + self.cluster.figure("tapewatch_claims_refused_total", *BRIDGES)


@contextmanager
def running(name: str, folder: Path, servers: Servers, record: Record) -> Iterator[Run]:
    """A run, and at its end, however it ends, what it measured."""
    box, began, where = Mailbox(), time.monotonic(), before()
    with MailServer(box) as mail:
        cluster = Cluster(folder, servers)
        run = Run(name, folder, cluster, box, mail.port)
        run.measured |= where | {"passed": False}
        try:
            yield run
            run.measured["passed"] = True
        finally:
            run.measured["took s"] = math.ceil(time.monotonic() - began)
            for key, value in run.measured.items():
                record(key, value)
            keep(name, run.measured)
            cluster.close()


def before() -> dict[str, object]:
    """Of what a row is measured, and when, and how busy the machine is by itself."""
    head = ["git", "rev-parse", "--short", "HEAD"]
    asked = subprocess.run(head, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    load, today = round(os.getloadavg()[0], 2), datetime.now(UTC).date()
    return {"commit": asked.stdout.strip(), "date": today.isoformat(), "load before": load}


def keep(name: str, measured: dict[str, object], results: str = RESULTS) -> None:
    """Put a row among the results, where there are any: its newest run stands there, held or not."""
    if results:
        path = Path(results)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | {name: measured}, indent=1) + "\n")


def reached(cluster: Cluster, goal: list[int], *, beyond: bool) -> bool:
    """Whether every shard's state is there, or `beyond`."""
    heads = cluster.heads()
    return len(heads) == len(goal) and all(head.next >= g + beyond for head, g in zip(heads, goal, strict=True))
