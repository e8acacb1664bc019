"""What travels through the queue, and through the topic of snapshots, arrives as it was, or is refused."""

import random

import msgspec
import numpy as np
import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.payload import pack, unpack
from tapewatch.runtime.cluster.protocol.ports import ShardId, Snapshot, Task
from tapewatch.runtime.cluster.snapshots import PART_BYTES, join, split
from tapewatch.stores.port import StateRow
from tapewatch.tape.port import RawBatch

MESSAGES = [b"one", b"", "zwölf".encode(), b"x" * 1000]


def task(messages: list[bytes]) -> Task:
    n = len(messages)
    raw = RawBatch(
        data=b"".join(messages),
        starts=np.cumsum([0, *map(len, messages)]),
        offsets=np.array([7 + 3 * i for i in range(n)], np.int64),
        ts_append_ns=np.array([10**18 + i for i in range(n)], np.int64),
        start=5,
        end=40,
    )
    return Task(ShardId("prices", "AbC-_", 3), "i", "f", 12, raw, silent=True, noted=True, condemned="why")


@pytest.mark.parametrize("messages", [MESSAGES, []])
def test_a_task_arrives_as_it_was(messages: list[bytes]) -> None:
    sent = task(messages)
    got = unpack(msgspec.json.decode(msgspec.json.encode(pack(sent))))
    for name in ("shard", "incarnation", "fingerprint", "epoch", "silent", "noted", "condemned"):
        assert getattr(got, name) == getattr(sent, name)
    assert (got.raw.data, got.raw.start, got.raw.end) == (sent.raw.data, 5, 40)
    for name in ("starts", "offsets", "ts_append_ns"):
        assert getattr(got.raw, name).tolist() == getattr(sent.raw, name).tolist()


def test_a_task_of_another_format_or_torn_is_refused() -> None:
    fields = msgspec.to_builtins(pack(task(MESSAGES)))
    with pytest.raises(InputError, match="different versions"):
        unpack(fields | {"format": 2})
    with pytest.raises(InputError, match="cannot be read"):
        unpack(fields | {"data": fields["data"][:40]})


def snapshot(position: int) -> Snapshot:
    noise = random.Random(position).randbytes(3 * PART_BYTES)  # does not compress: several parts
    rows = [StateRow("XNAS|A|hot", noise), StateRow("*|rules", b"{}")]
    return Snapshot("s", position, "f", rows, {Fate.JUDGED: position, Fate.DEAD: 1})


def test_a_snapshot_is_joined_of_its_parts_in_any_order_and_only_of_its_own() -> None:
    old, new = split(snapshot(10), 0), split(snapshot(20), 0)
    assert len(new) > 2
    assert join([*new[::-1], *old]) == snapshot(20)
    assert join([*new[:-1], old[-1]]) is None, "torn: its last part was not written"
    assert join([]) is None


def test_a_damaged_snapshot_is_none() -> None:
    parts = split(snapshot(10), 1)
    parts[1] = msgspec.structs.replace(parts[1], data=parts[1].data[:-1] + b"?")
    assert join(parts) is None
