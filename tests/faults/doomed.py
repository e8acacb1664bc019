"""What processes do that fail on order: workers on records that are named for it, bridges at the moment that
the protocol fears most. The order of the latter is a file, `FAULTS_MARK`; the one that takes it away dies."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from tapewatch.runtime.cluster.detection import EngineDetection
from tapewatch.runtime.cluster.kafka_ports import KafkaOutbox
from tapewatch.runtime.cluster.protocol.ports import Judged, ShardId
from tapewatch.stores.port import OutboxEntry
from tapewatch.tape.port import RawBatch

MARK = "FAULTS_MARK"
KILL, RAISE = b'"CRASHKILL', b'"CRASHRAISE'
_judge, _send, _flush = EngineDetection.judge, KafkaOutbox.send, KafkaOutbox.flush
_handed: list[OutboxEntry] = []


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def judge(self: EngineDetection, raw: RawBatch) -> Judged:
    """Like the real one, where no record of the batch is deadly."""
    if KILL in raw.data:
        _die()
    if RAISE in raw.data:
        raise ArithmeticError("a record that detection cannot bear")
    return _judge(self, raw)


def send(self: KafkaOutbox, shard: ShardId, entries: Sequence[OutboxEntry]) -> None:
    """Like the real one, and remembers what was sent."""
    _handed.extend(entries)
    _send(self, shard, entries)


def flush(self: KafkaOutbox) -> None:
    """Like the real one; then, acknowledged and not deleted, this process ends where that was ordered, and where there
    are alerts among what it sent. It says how many in a file beside the order."""
    _flush(self)
    alerts = sum(entry.kind == "alert" for entry in _handed)
    _handed.clear()
    mark = Path(os.environ.get(MARK, os.devnull))
    if alerts and mark.is_file():
        mark.rename(mark.with_name(f"died-{os.getpid()}-{alerts}"))
        _die()


def doom() -> None:
    """Put these in the place of the real ones, in this process and those that it forks."""
    EngineDetection.judge = judge  # type: ignore[method-assign]  # what this module is for
    KafkaOutbox.send = send  # type: ignore[method-assign]
    KafkaOutbox.flush = flush  # type: ignore[method-assign]
