"""A task as JSON for the queue: the protocol's fields, and the messages as one text (lz4, base64)."""

import base64

import lz4.frame
import msgspec
import numpy as np

from tapewatch.model.errors import InputError
from tapewatch.runtime.cluster.protocol.ports import ShardId, Task
from tapewatch.tape.port import RawBatch

FORMAT = 1
MOST_BYTES = 8 << 20
"""Most characters of the messages' text; a larger batch is halved before it is sent."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is given. `lengths`, `offsets` (as steps) and `stamps` (ms, as steps) are columns in `data`, before
    the messages themselves, each of `count` int64 but for the messages."""

    format: int
    topic: str
    topic_id: str
    partition: int
    incarnation: str
    fingerprint: str
    epoch: int
    start: int
    end: int
    count: int
    silent: bool
    noted: bool
    condemned: str
    data: str


def pack(task: Task) -> Payload:
    """About 1.5 ms a megabyte of messages."""
    raw, shard = task.raw, task.shard
    steps = (
        np.diff(raw.starts),
        np.diff(raw.offsets, prepend=raw.start),
        np.diff(raw.ts_append_ns, prepend=0),
    )
    plain = b"".join([*(step.astype("<i8").tobytes() for step in steps), raw.data])
    return Payload(
        format=FORMAT,
        topic=shard.topic,
        topic_id=shard.topic_id,
        partition=shard.partition,
        incarnation=task.incarnation,
        fingerprint=task.fingerprint,
        epoch=task.epoch,
        start=raw.start,
        end=raw.end,
        count=len(raw),
        silent=task.silent,
        noted=task.noted,
        condemned=task.condemned,
        data=base64.b64encode(lz4.frame.compress(plain)).decode("ascii"),
    )


def unpack(fields: dict[str, object]) -> Task:
    """The task; InputError where another version of tapewatch, or somebody else, wrote it."""
    if fields.get("format") != FORMAT:
        raise InputError(f"a task of format {fields.get('format')!r}: bridge and workers are of different versions")
    try:
        given = msgspec.convert(fields, Payload)
        plain = lz4.frame.decompress(base64.b64decode(given.data))
        lengths, offsets, stamps = np.frombuffer(plain, "<i8", 3 * given.count).reshape(3, given.count)
    except (msgspec.ValidationError, ValueError, RuntimeError) as error:
        raise InputError(f"a task that cannot be read: {error}") from error
    starts = np.zeros(given.count + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    raw = RawBatch(
        data=plain[24 * given.count :],
        starts=starts,
        offsets=given.start + np.cumsum(offsets),
        ts_append_ns=np.cumsum(stamps),
        start=given.start,
        end=given.end,
    )
    shard = ShardId(given.topic, given.topic_id, given.partition)
    return Task(
        shard,
        given.incarnation,
        given.fingerprint,
        given.epoch,
        raw,
        given.silent,
        given.noted,
        given.condemned,
    )
