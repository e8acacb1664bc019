"""From a consumer group to a sink: what was read is written until it is in, and only then committed."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tapewatch.model.errors import RetryableError
from tapewatch.runtime.cluster.checks import kafka_answers
from tapewatch.runtime.cluster.ops import Check
from tapewatch.tape.kafka_group import KafkaGroup, Taken
from tapewatch.tape.kafka_settings import KafkaSettings

_log = logging.getLogger(__name__)
POLL_S = 0.2
FIRST_S, MOST_S = 0.25, 5.0  # between two tries of a batch
LOOK_S = 0.5  # at most so long without a look at the group
_TOLD_EVERY_S = 30.0
_FALTERING_S = 5.0  # a sink that has failed for so long is not ready


class Sink(Protocol):
    """Where messages take effect."""

    def write(self, messages: Sequence[Taken]) -> bool:
        """Return once all have taken effect (or are dead letters); repeats change nothing. False where the sink sees to
        the offsets itself.

        RetryableError: some may have; the same messages come again.
        """
        ...

    def tend(self) -> None:
        """Called between batches, at least every second or so: for what is due by time. May raise RetryableError."""
        ...


class SinkLoop:
    """Drives one sink from one group. Memory: one batch, and what the client fetches ahead (4 MB and a fetch)."""

    def __init__(self, group: KafkaGroup, sink: Sink, limit: int, clock_s: Callable[[], float] = time.monotonic):
        self.group, self._sink, self._limit, self._clock_s = group, sink, limit, clock_s
        self._failing_since: float | None = None
        self._reason, self._told = "", -_TOLD_EVERY_S
        self.retries = self.thrown_away = 0
        self.kafka_errors = 0

    def run(self, stop: Event) -> None:
        """Work until `stop` is set; a batch that its sink does not take by then is left to the next start."""
        try:
            while not stop.is_set():
                batch = self._read(stop)
                if batch:
                    self._bring_in(batch, stop)
                self._try(self._sink.tend)
        finally:
            self.group.close()

    def checks(self, kafka: KafkaSettings) -> dict[str, Check]:
        """For `/readyz`: whether what was read gets in, whether we are of the group, and whether a broker answers."""
        return {"sink": self._check_sink, "group": self._check_group, "kafka": kafka_answers(kafka)}

    def _check_sink(self) -> str | None:
        """Why the sink cannot be written to; None where it can."""
        since = self._failing_since
        if since is not None and self._clock_s() - since > _FALTERING_S:
            return f"for {self._clock_s() - since:.0f} s: {self._reason}"
        return None

    def _check_group(self) -> str | None:
        """Why nothing is read; None where it is. A member without partitions is ready: others have them."""
        return None if self.group.generation else "no partitions were assigned yet"

    def collect(self) -> Iterable[Metric]:
        """As a Prometheus collector."""
        lag = GaugeMetricFamily(
            "tapewatch_sink_lag", "Messages not read yet, by partition.", labels=["topic", "partition"]
        )
        for (topic, partition), count in self.group.lag().items():
            lag.add_metric([topic, str(partition)], count)
        yield lag
        events = CounterMetricFamily("tapewatch_sink_events", "What happened to batches and offsets.", labels=["what"])
        counts = self.group.counts
        for name, value in (
            ("messages_read", counts.read),
            ("commits", counts.commits),
            ("commit_failures", counts.commit_failures),
            ("rebalances", counts.rebalances),
            ("retries", self.retries),
            ("batches_given_to_others", self.thrown_away),
            ("kafka_errors", self.kafka_errors),
        ):
            events.add_metric([name], value)
        yield events

    def _read(self, stop: Event) -> list[Taken]:
        try:
            return self.group.take(self._limit, POLL_S)
        except RetryableError as error:
            self.kafka_errors += 1
            self._tell("Kafka", error)
            stop.wait(FIRST_S)
            return []

    def _bring_in(self, batch: list[Taken], stop: Event) -> None:
        generation, pause_s = self.group.generation, FIRST_S
        commits: list[bool] = []
        while not self._try(lambda: commits.append(self._sink.write(batch))):
            self.retries += 1
            until = self._clock_s() + pause_s
            while self._clock_s() < until and not stop.is_set():
                self.group.wait(min(LOOK_S, pause_s))
            if stop.is_set():
                return
            if generation != self.group.generation:
                self.thrown_away += 1  # read again from what was committed, here or elsewhere
                break
            pause_s = min(pause_s * 2, MOST_S)
        else:
            if commits[0]:
                self.group.commit(batch)
        self.group.go_on()

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except RetryableError as error:
            self._reason = str(error)
            if self._failing_since is None:
                self._failing_since = self._clock_s()
            self._tell("the sink", error)
            return False
        self._failing_since = None
        return True

    def _tell(self, who: str, error: RetryableError) -> None:
        """Log it, but not hundreds of times during an outage."""
        now = self._clock_s()
        if now - self._told >= _TOLD_EVERY_S:
            self._told = now
            _log.warning("%s cannot now, it will be tried again: %s", who, error)
