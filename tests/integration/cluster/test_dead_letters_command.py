"""`tapewatch dead-letters` on the cluster's topic."""

import subprocess
import sys
import uuid

import pytest

from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.dead_letters import KafkaLetters
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_dead import DeadMessage, write_dead
from tapewatch.tape.kafka_names import DEAD_LETTERS
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec

pytestmark = pytest.mark.cluster


def tapewatch(kafka: KafkaSettings, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from tapewatch.runtime.cli import main; main()", "dead-letters", *args]
    return subprocess.run(
        [*command, "--set", f"kafka.bootstrap={kafka.bootstrap}"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_letters_are_listed_shown_and_written_again_as_they_were(kafka_server: Running) -> None:
    kafka = KafkaSettings(kafka_server.address)
    source = f"t-{uuid.uuid4().hex[:8]}"
    KafkaTopics(kafka).ensure([TopicSpec(source, 2), TopicSpec(DEAD_LETTERS, 1)])
    publisher = KafkaPublisher(kafka)
    letters = [
        DeadMessage(topic=source, partition=1, offset=n, reason=f"no price {n}", original=f"{{{n}".encode(), key=key)
        for n, key in enumerate((b"TSLA", None, None))
    ]
    write_dead(publisher, letters, "/test")
    publisher.close()
    ours = [x.number for x in KafkaLetters(kafka, DEAD_LETTERS).after(0) if x.source == source]
    listed = tapewatch(kafka, "list", "--limit", "1000").stdout
    assert [line for line in listed.splitlines() if source in line] == [
        f"{number:>6}  {source}/1:{n}  no price {n}" for n, number in enumerate(ours)
    ]
    shown = tapewatch(kafka, "show", str(ours[1])).stdout
    assert "no price 1" in shown
    assert "{1" in shown
    replayed = tapewatch(kafka, "replay", str(ours[0]), str(ours[2]))
    assert replayed.returncode == 0, replayed.stderr
    tape = KafkaTape(kafka, source, 1)
    batch = tape.read(0)
    assert [batch.data[batch.starts[i] : batch.starts[i + 1]] for i in range(len(batch))] == [b"{0", b"{2"]
    tape.close()
    missing = tapewatch(kafka, "show", "999999")
    assert (missing.returncode, missing.stderr) == (2, "error: there is no dead letter 999999\n")
