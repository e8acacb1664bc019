"""What `/metrics` says of a bridge: a row a shard that it owns; what is counted, of those too that it owned."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tapewatch.model.errors import TapewatchError

if TYPE_CHECKING:
    from tapewatch.runtime.cluster.bridge import Bridge

_LABELS = ["topic", "partition"]
_COUNTS = {
    "dispatched": ("tapewatch_batches_dispatched", "Batches dispatched for the first time."),
    "redispatched": ("tapewatch_batches_redispatched", "Batches dispatched again because nobody committed them."),
    "committed": ("tapewatch_batches_committed", "Batches seen to be committed."),
    "retried": ("tapewatch_bridge_retries", "Steps that something did not answer to."),
    "claims": ("tapewatch_shard_claims", "How often the shard was claimed."),
    "rebuilt": ("tapewatch_shard_rebuilds", "How often its state was lost and rebuilt."),
    "unreadable": ("tapewatch_states_unreadable", "States and snapshots of an unknown layout, which were not used."),
    "gap_records": ("tapewatch_gap_records", "Records that the log removed before they were judged."),
    "condemned": ("tapewatch_records_condemned", "Records on which three processes died."),
    "snapshots": ("tapewatch_snapshots", "Snapshots written."),
    "snapshots_put_off": ("tapewatch_snapshots_put_off", "Snapshots not written, to keep the one to rebuild from."),
    "published": ("tapewatch_outbox_published", "Entries published."),
    "offered": ("tapewatch_outbox_offered", "Entries published without being read from the outbox first."),
    "on_topic": ("tapewatch_outbox_on_topic", "Entries not published again, because they were on their topic."),
    "fenced": ("tapewatch_relay_fenced", "Turns of the relay that the state refused: another one has the shard."),
}


class BridgeFigures:
    """A Prometheus collector. What a server has to be asked for is left out while it does not answer."""

    def __init__(self, bridge: "Bridge") -> None:
        self._bridge = bridge
        self.unanswered = 0

    def collect(self) -> Iterable[Metric]:
        """The families, read at the moment of the scrape."""
        runners = self._bridge.shards()
        lag = GaugeMetricFamily("tapewatch_lag_records", "Records of the log that are not judged yet.", labels=_LABELS)
        depth = GaugeMetricFamily("tapewatch_outbox_entries", "What was found and is not published.", labels=_LABELS)
        flying = GaugeMetricFamily("tapewatch_messages_in_flight", "Messages of the batch in flight.", labels=_LABELS)
        batches = GaugeMetricFamily("tapewatch_batches_in_flight", "Batches in flight.", labels=_LABELS)
        epoch = GaugeMetricFamily("tapewatch_shard_epoch", "The epoch of the claim.", labels=_LABELS)
        position = GaugeMetricFamily("tapewatch_shard_next_offset", "First offset not judged.", labels=_LABELS)
        offset = GaugeMetricFamily("tapewatch_shard_committed_offset", "Offset committed in Kafka.", labels=_LABELS)
        running = GaugeMetricFamily(
            "tapewatch_shard_phase", "1 for the phase that it is in.", labels=[*_LABELS, "phase"]
        )
        for runner in runners:
            driver = runner.driver
            at = [driver.shard.topic, str(driver.shard.partition)]
            flying.add_metric(at, driver.in_flight)
            batches.add_metric(at, int(driver.in_flight > 0))
            epoch.add_metric(at, driver.head.epoch if driver.head else 0)
            position.add_metric(at, driver.next)
            offset.add_metric(at, driver.mark.offset)
            running.add_metric([*at, driver.phase.value], 1)
            try:
                lag.add_metric(at, max(0, runner.tape.bounds()[1] - driver.next))
                depth.add_metric(at, self._bridge.store.outbox_depth(runner.name))
            except TapewatchError:
                self.unanswered += 1
        yield from (lag, depth, flying, batches, epoch, position, offset, running)
        yield from self._counts()
        yield CounterMetricFamily(
            "tapewatch_takeovers_put_off",
            "Partitions that were given to the bridge while a server did not answer.",
            value=self._bridge.put_off,
        )
        yield CounterMetricFamily(
            "tapewatch_scrape_unanswered", "Shards for which a server did not answer a scrape.", value=self.unanswered
        )

    def _counts(self) -> Iterable[Metric]:
        """Of all that were ever ours: a counter that went with its partition would hide why it went."""
        counted = self._bridge.counts()
        for name, (family, text) in _COUNTS.items():
            found = CounterMetricFamily(family, text, labels=_LABELS)
            for (topic, partition), counts in counted.items():
                found.add_metric([topic, str(partition)], counts[name])
            yield found
        asked = CounterMetricFamily(
            "tapewatch_topics_asked", "Looks for what had been published before a claim or a failure.", labels=["what"]
        )
        for name in ("asked", "read", "cut", "refused"):
            asked.add_metric([name], self._bridge.published.counts[name])
        yield asked
        refused = CounterMetricFamily(
            "tapewatch_claims_refused", "What the state refused the bridge, by check.", labels=[*_LABELS, "reason"]
        )
        for (topic, partition), counts in counted.items():
            for name, count in counts.items():
                kind, _, reason = name.partition(":")
                if kind == "refused":
                    refused.add_metric([topic, str(partition), reason], count)
        yield refused
