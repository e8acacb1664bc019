"""tapewatch as a contender: the whole protocol on, state and outbox in Redis, alerts read from `anomaly_alerts`."""

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from benchmarks.cluster.contenders import Contender, Job
from benchmarks.cluster.walk import PARTITIONS, THRESHOLD, WINDOW
from tapewatch.tape.kafka_names import ALERTS
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, our_topics

Rules = Literal["bench-z", "default"]
BENCH_Z = f"""\
name = "bench-z"

[[rules]]
name = "z"
detector = "zscore"
alert = "each"
text = "the peers' one rule: z of the close over the {WINDOW} closes before it"
[rules.params]
window = {WINDOW}
threshold = {THRESHOLD}
include_current = false
min_closes = {WINDOW}
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """The two Redis servers."""

    state: str
    queue: str


def echo() -> Contender:
    """Nothing between producer and reader: what two hops through the broker cost by themselves."""
    return Contender("echo", lambda _: [])


def tapewatch(servers: Servers, executor: Literal["inline", "celery"], rules: Rules, workers: int = 2) -> Contender:
    """A bridge, and two worker processes where they judge."""

    def commands(_: Job) -> list[list[str]]:
        command = str(Path(sys.executable).with_name("tapewatch"))
        return [[command, "consume"], *([[command, "worker"]] if executor == "celery" else [])]

    return Contender(
        f"tapewatch_{executor}_{rules}",
        commands,
        topic=lambda _: ALERTS,
        prepare=lambda job: _settings(job, servers, executor, rules, workers),
        began=_began,
        exact=rules == "bench-z",
    )


def _began(job: Job) -> float:
    """When the bridge was given its first partition: before it read anything."""
    for line in (job.folder / "0.log").read_text().splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("message", "").startswith("took "):
            return datetime.fromisoformat(said["time"]).timestamp()
    raise RuntimeError(f"the bridge never took a partition: {job.folder / '0.log'}")


def _settings(job: Job, servers: Servers, executor: str, rules: Rules, workers: int) -> None:
    """Settings of a run: an installation of its own, by the prefix of its keys and its consumer group."""
    KafkaTopics(KafkaSettings(job.bootstrap)).ensure(our_topics((), PARTITIONS))
    if rules == "bench-z":
        (job.folder / "bench-z.toml").write_text(BENCH_Z)
    (job.folder / "tapewatch.toml").write_text(
        f'[kafka]\nbootstrap = "{job.bootstrap}"\ntopics = ["{job.source}"]\n'
        f'[state]\nurl = "{servers.state}"\nprefix = "{job.group}"\n'
        f'[queue]\nurl = "{servers.queue}"\n'
        f'[bridge]\nexecutor = "{executor}"\ngroup = "{job.group}"\nvenue = "XNAS"\n'
        f"[worker]\nconcurrency = {workers}\n" + ('[rules]\nfile = "bench-z.toml"\n' if rules == "bench-z" else "")
    )
