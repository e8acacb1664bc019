"""Writes to topics: keyed, in order, each message once however often the client has to repeat it."""

import threading
from collections.abc import Sequence

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from tapewatch.model.errors import RetryableError
from tapewatch.model.times import format_rfc3339
from tapewatch.tape.kafka_errors import as_ours
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.messages import Record

Headers = Sequence[tuple[str, str | bytes | None]]
ANY_PARTITION = -1
"""The partition that the key chooses."""


class KafkaPublisher:
    """An idempotent producer; safe to call from several threads, whose failures are then told to any of them.

    A call that raised RetryableError may have written some of its messages: repeating it may write those twice. Who
    must not see a repeat tells it by the event's id. `failed` counts the messages that were not acknowledged.
    """

    def __init__(self, settings: KafkaSettings, linger_ms: float = 5.0, *, together: bool = False) -> None:
        """`linger_ms` is how long a message waits for others: 0 for the least latency, 20 for the highest rate.

        `together`: no message is given up alone, only by a flush that waited in vain, and then with all others. Else
        one could expire while a later one of the same key still arrives.
        """
        self._settings, self._linger_ms, self._together = settings, linger_ms, together
        self._lock = threading.Lock()
        self._errors: list[KafkaError] = []
        self.failed = 0
        self._producer = self._make()

    def publish(
        self,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes],
        headers: Sequence[Headers] | None = None,
        partition: int = ANY_PARTITION,
    ) -> None:
        """Write the messages in order and wait until each is acknowledged by all replicas in sync."""
        failed = self.failed
        self.send(topic, keys, values, headers, partition)
        self.flush(failed)

    def send(
        self,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes],
        headers: Sequence[Headers] | None = None,
        partition: int = ANY_PARTITION,
    ) -> None:
        """Hand the messages over and return; `flush` tells what became of them. Waits while the client's queue is full.

        About 2 us a message.
        """
        produce = self._producer.produce
        for i, value in enumerate(values):
            ours = list(headers[i]) if headers is not None else None
            while True:
                try:
                    produce(topic, value, keys[i], partition, headers=ours)
                    break
                except BufferError:
                    self._producer.poll(0.05)
                except KafkaException as error:
                    self._note(error.args[0], None)
                    self._raise_noted()
        self._producer.poll(0)

    def flush(self, failed: int | None = None) -> None:
        """Wait until everything handed over was acknowledged or failed; raise for what failed. With the number that
        had `failed` when the caller began, also for what was told to another thread since.

        At most `delivery_s` of the settings and a little, because the client gives a message up by then.
        """
        left = self._producer.flush(self._settings.delivery_s + self._settings.timeout_s)
        if left:
            self._producer.purge()
            self._producer.poll(0)
        self._raise_noted()
        if failed is not None and self.failed != failed:
            raise RetryableError(f"{self.failed - failed} messages were not written")

    def heartbeat(self, topic: str, partitions: int, time_ns: int, source: str) -> None:
        """Hand a heartbeat over to every partition; it waits with the ticks that were sent before it."""
        for partition in range(partitions):
            self.beat(topic, partition, time_ns, source)

    def beat(self, topic: str, partition: int, time_ns: int, source: str) -> None:
        """The same to one partition."""
        value = msgspec.json.encode(Record(heartbeat=format_rfc3339(time_ns), source=source))
        self.send(topic, [None], [value], partition=partition)

    def close(self) -> None:
        """Deliver what is left, as `flush`."""
        self.flush()

    def _make(self) -> Producer:
        expiry = {"delivery.timeout.ms": 0} if self._together else {}
        return Producer(self._settings.producer(self._linger_ms) | expiry | {"on_delivery": self._note})

    def _note(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            with self._lock:
                self.failed += 1
                self._errors.append(error)

    def _raise_noted(self) -> None:
        with self._lock:
            errors, self._errors = self._errors, []
        if not errors:
            return
        if any(error.fatal() for error in errors):  # this producer will never write again; the next call gets a new one
            self._producer = self._make()
            raise RetryableError(f"{len(errors)} messages were not written: {errors[0].str()}")
        raise as_ours(errors[0], f"{len(errors)} messages were not written")
