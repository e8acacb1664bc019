"""A log of small records, and a detection on them that any loss, repeat or mix-up of state shows in."""

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.protocol.ports import Detection, Judged, ShardId
from tapewatch.stores.port import OutboxEntry, StateRow
from tapewatch.tape.port import RawBatch

SYMBOLS = "ABC"
BEAT = b"*"
"""A record that moves every symbol, as a heartbeat does."""
POISON = b"!"
"""A record on which detection raises."""
TELLS = (0, 0, 0, 1, 2, 3)
"""How many entries a symbol's record makes, by its content."""
NOTE: Final = "breadth"
"""The kind of what a detection says once after it was made, as a shard's minutes are: so the numbers of what follows
in the outbox depend on who judged, and how often it began anew."""


class Log:
    """One partition, in memory; every record is a symbol and a byte."""

    def __init__(self, records: Sequence[bytes]) -> None:
        self.records = list(records)
        self.visible = len(self.records)

    def read(self, start: int, max_messages: int, max_bytes: int) -> RawBatch:
        found = self.records[start : min(self.visible, start + max_messages)]
        starts = np.zeros(len(found) + 1, np.int64)
        np.cumsum([len(r) for r in found], out=starts[1:])
        offsets = np.arange(start, start + len(found), dtype=np.int64)
        return RawBatch(b"".join(found), starts, offsets, np.zeros(len(found), np.int64), start, start + len(found))


class Chain:
    """A `Detection`: each symbol's row is a count and a checksum over all that it has seen."""

    fingerprint = "rules-1"

    def __init__(self, shard: ShardId) -> None:
        self._shard = shard
        self.rows: dict[str, tuple[int, int]] = {}
        self._said = False

    def keys(self, raw: RawBatch) -> Sequence[str] | None:
        found = {_symbol(raw, i) for i in range(len(raw))}
        return None if BEAT.decode() in found else sorted(found - {POISON.decode()})

    def load(self, rows: Sequence[StateRow]) -> None:
        for row in rows:
            if not row.key.startswith("*"):
                count, checksum = row.data.split(b":")
                self.rows[row.key] = int(count), int(checksum)

    def judge(self, raw: RawBatch) -> Judged:
        changed: set[str] = set()
        outbox = [] if self._said else [OutboxEntry(NOTE, f"{self._shard.partition}:note", b"")]
        beats = 0
        for i in range(len(raw)):
            symbol = _symbol(raw, i)
            if symbol == POISON.decode():
                raise ValueError("a record that cannot be judged")
            beats += symbol == BEAT.decode()
            for name in sorted(self.rows) if symbol == BEAT.decode() else [symbol]:
                outbox += self._take(name, raw.data[int(raw.starts[i]) : int(raw.starts[i + 1])], int(raw.offsets[i]))
                changed.add(name)
        self._said = True
        fates = {Fate.JUDGED: len(raw) - beats, Fate.HEARTBEAT: beats}
        rows = [StateRow(name, b"%d:%d" % self.rows[name]) for name in sorted(changed)]
        return Judged(rows, outbox, {fate: n for fate, n in fates.items() if n})

    def _take(self, symbol: str, record: bytes, offset: int) -> list[OutboxEntry]:
        count, checksum = self.rows.get(symbol, (0, 0))
        checksum = zlib.crc32(record, checksum)
        self.rows[symbol] = count + 1, checksum
        count = TELLS[checksum % len(TELLS)]
        return [entry(f"{self._shard.partition}:{symbol}:{offset}:{k}", offset, checksum) for k in range(count)]


def make_detection(shard: ShardId) -> Detection:
    """A detection that knows nothing yet."""
    return Chain(shard)


def dead(shard: ShardId, raw: RawBatch, _reason: str) -> list[OutboxEntry]:
    """Dead letters of all records of a batch."""
    return [entry(f"{shard.partition}:dead:{offset}", int(offset), 0, "dead") for offset in raw.offsets]


def entry(name: str, offset: int, checksum: int, kind: str = "alert") -> OutboxEntry:
    """What is told: by name and offset, with the state that it comes from."""
    return OutboxEntry("dead" if kind == "dead" else "alert", name, b"%d:%d" % (offset, checksum))


def _symbol(raw: RawBatch, i: int) -> str:
    return chr(raw.data[int(raw.starts[i])])


class Truth:
    """What an uninterrupted run of one partition comes to: told entries, and the rows after each offset."""

    def __init__(self, shard: ShardId, log: Log) -> None:
        chain = Chain(shard)
        self.told: dict[str, bytes] = {}
        self.rows: list[dict[str, bytes]] = [{}]
        for offset in range(len(log.records)):
            raw = log.read(offset, 1, 1 << 20)
            outbox = dead(shard, raw, "") if log.records[offset] == POISON else list(chain.judge(raw).outbox)
            self.told |= {told.key: told.payload for told in outbox if told.kind != NOTE}
            self.rows.append({name: b"%d:%d" % row for name, row in chain.rows.items()})
