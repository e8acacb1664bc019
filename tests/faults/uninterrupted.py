"""What one process finds in a finished tape, partition by partition, without a fault: the product's own code."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np

from tapewatch.detection.engine import Engine
from tapewatch.model.alerts import Alert
from tapewatch.model.market import ShardMinutes
from tapewatch.runtime.cluster.detection import EngineDetection
from tapewatch.runtime.cluster.judging import codec_of
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.runtime.config.rules import load_rules_file
from tapewatch.runtime.embedded import load_calibration
from tapewatch.tape.codec import JsonDecoder
from tapewatch.tape.port import RawBatch
from tests.faults.tapes import DEADLY


def bare(alert: Alert) -> Alert:
    """Without when it was found and where it stands in this log."""
    return msgspec.structs.replace(alert, timestamp_detection=None, offset=0)


@dataclass
class Uninterrupted:
    """Alert revisions by the id that consumers drop repeats by, what is `said` of minutes, and `rows` of state: of one
    partition after another."""

    rules: Path
    alerts: dict[str, Alert] = field(default_factory=dict)
    said: list[ShardMinutes] = field(default_factory=list)
    rows: list[dict[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rules, self._calibration = load_rules_file(self.rules).rules, load_calibration(None)

    def warm(self) -> None:
        """Compile the rules, where nobody has."""
        Engine(self._rules, self._calibration).warm()

    def feed(self, partition: int, batches: Sequence[RawBatch]) -> "Counter[str]":
        """A partition's whole log; returns the fates of its records."""
        decoder = JsonDecoder(codec_of(BridgeSection(), ""))
        shard = ShardId("t", "", partition)
        detection = EngineDetection(shard, Engine(self._rules, self._calibration), decoder, lambda: 0)
        fates: Counter[str] = Counter()
        rows: dict[str, bytes] = {}
        self.rows.append(rows)
        for raw in batches:
            harmless = without_deadly(raw)
            judged = detection.judge(harmless)
            fates.update({fate.name.lower(): count for fate, count in judged.fates.items()})
            fates["dead"] += len(raw) - len(harmless)
            rows |= {row.key: row.data for row in judged.rows}
            for entry in judged.outbox:
                if entry.kind == "alert":
                    alert = msgspec.json.decode(entry.payload, type=Alert)
                    self.alerts[f"{alert.alert_id}:{alert.revision}"] = bare(alert)
                elif entry.kind == "breadth":
                    self.said.append(msgspec.json.decode(entry.payload, type=ShardMinutes))
        return fates


def without_deadly(raw: RawBatch) -> RawBatch:
    """The messages that workers survive: the others have to become dead letters unjudged."""
    values = [raw.data[raw.starts[i] : raw.starts[i + 1]] for i in range(len(raw))]
    keep = np.array([f'"{DEADLY}'.encode() not in value for value in values], dtype=bool)
    kept = [value for value, keeps in zip(values, keep, strict=True) if keeps]
    starts = np.cumsum([0, *map(len, kept)], dtype=np.int64)
    return replace(
        raw, data=b"".join(kept), starts=starts, offsets=raw.offsets[keep], ts_append_ns=raw.ts_append_ns[keep]
    )
