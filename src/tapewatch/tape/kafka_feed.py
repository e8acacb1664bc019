"""A feed onto a topic of Kafka: ticks by their symbol's key, heartbeats to every partition."""

from collections.abc import Iterator

import numpy as np

from tapewatch.model.ticks import FeedBatch, Kind, TickBatch
from tapewatch.tape.codec import encode_batch, encode_ticks
from tapewatch.tape.kafka_names import key_of
from tapewatch.tape.kafka_publisher import KafkaPublisher


class KafkaFeedWriter:
    """Writes batches in tape order. Each heartbeat of the feed goes to all partitions: a symbol's timers must fire
    although its shard is silent. `records` and `messages` count what was handed over; `flush` tells whether it is
    written."""

    def __init__(self, publisher: KafkaPublisher, topic: str, partitions: int) -> None:
        self._publisher, self._topic, self._partitions = publisher, topic, partitions
        self.records = self.messages = 0

    def write(self, batches: Iterator[FeedBatch]) -> Iterator[int]:
        """Hand over what the feed yields, batch by batch; yield the records so far after each. Raises RetryableError
        where messages could not be written. About 3 us a record."""
        for batch in batches:
            self._write(batch)
            self.records += batch.end - batch.start
            yield self.records

    def flush(self) -> None:
        """Wait until all is acknowledged; RetryableError where it is not."""
        self._publisher.flush()

    def _write(self, batch: FeedBatch) -> None:
        if batch.dead:
            for message, key in zip(encode_batch(batch), _keys_with_dead(batch), strict=True):
                self._send([key], [message], beat=key is None)
            return
        messages, keys = encode_ticks(batch.ticks), _keys(batch.ticks)
        begin = 0
        for at in np.flatnonzero(batch.ticks.kind == Kind.HEARTBEAT).tolist():
            self._send(keys[begin:at], messages[begin:at])
            self._send([None], [messages[at]], beat=True)
            begin = at + 1
        self._send(keys[begin:], messages[begin:])

    def _send(self, keys: list[bytes | None], messages: list[bytes], beat: bool = False) -> None:
        if not beat:
            self._publisher.send(self._topic, keys, messages)
            self.messages += len(messages)
            return
        for partition in range(self._partitions):
            self._publisher.send(self._topic, keys, messages, partition=partition)
        self.messages += self._partitions


def _keys(ticks: TickBatch) -> list[bytes | None]:
    """The key of each record; None for a heartbeat."""
    table = np.array([*(key_of(i.symbol) for i in ticks.symbols), None], object)
    found: list[bytes | None] = table[ticks.symbol_id].tolist()  # -1, a heartbeat, takes the last
    return found


def _keys_with_dead(batch: FeedBatch) -> list[bytes | None]:
    """The same in the order of offsets, what could not be read by the name of its source."""
    placed = dict(zip(batch.ticks.offset.tolist(), _keys(batch.ticks), strict=True))
    placed |= {letter.offset: letter.source.encode() for letter in batch.dead}
    return [placed[offset] for offset in sorted(placed)]
