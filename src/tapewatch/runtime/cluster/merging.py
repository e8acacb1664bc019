"""The minutes of all shards merged, as the cluster's protocol sees it: the topic of breadth is a shard of its own,
whose records are what shards said and whose state is the merger's."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import msgspec
from prometheus_client.core import GaugeMetricFamily, Metric

from tapewatch.alerts.breadth import NEVER_NS, Merger, sources_in
from tapewatch.model.alerts import AuditEntry
from tapewatch.model.errors import RetryableError
from tapewatch.model.market import ShardMinutes
from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.detection import dead_entry
from tapewatch.runtime.cluster.protocol.ports import Judged, ShardId
from tapewatch.runtime.cluster.sources import TapeSources
from tapewatch.runtime.rule_change import MERGER
from tapewatch.stores.port import Commit, OutboxEntry, ShardHead, ShardStore, StateRow
from tapewatch.tape.port import RawBatch

_minutes = msgspec.json.Decoder(ShardMinutes)


class MinuteFigures:
    """How far the merger and its sources are, for `/metrics`: a Prometheus collector."""

    def __init__(self) -> None:
        self._through: dict[str, int] = {}
        self._groups = 0

    def judged(self, merger: Merger) -> None:
        """One batch was merged."""
        self._through, self._groups = merger.through, merger.open_groups

    def collect(self) -> Iterable[Metric]:
        """The families, as of the last batch."""
        through = GaugeMetricFamily(
            "tapewatch_breadth_through_seconds",
            "Event time up to which a shard has told its minutes, 0 for never: markets stand at the least.",
            labels=["shard"],
        )
        for name, at_ns in self._through.items():
            through.add_metric([name], 0.0 if at_ns == NEVER_NS else at_ns / 1e9)
        yield through
        yield GaugeMetricFamily("tapewatch_groups_open", "Markets that move as a whole now.", value=self._groups)


class MinuteDetection:
    """A `Detection` on a merger. A record is judged where it moves its shard on, a duplicate where the shard had said
    as much, late where no topic of the tape has such a shard (any more), dead where it cannot be read."""

    def __init__(self, shard: ShardId, sources: TapeSources, figures: MinuteFigures) -> None:
        """Merges the shards that `sources` knows now; raises RetryableError as soon as it meets one that is new."""
        self._shard, self._sources, self._figures = shard, sources, figures
        self._names, self._fingerprint = sources.names, sources.fingerprint
        self._merger = Merger(self._names)

    @property
    def fingerprint(self) -> str:
        """Of the shards that are merged."""
        return self._fingerprint

    def keys(self, raw: RawBatch) -> Sequence[str] | None:  # noqa: ARG002 - the same for any
        """The merger's row."""
        return [MERGER]

    def load(self, rows: Sequence[StateRow]) -> None:
        self._merger = Merger(self._names)
        self._merger.load(*(row.data for row in rows if row.key == MERGER))

    def judge(self, raw: RawBatch) -> Judged:
        read = [self._read(raw, at) for at in range(len(raw))]
        if any(
            isinstance(r, ShardMinutes) and r.source not in self._names and self._sources.has(r.source) for r in read
        ):
            raise RetryableError("the tape has new shards: their minutes wait until the merger knows them")
        outbox: list[OutboxEntry] = []
        fates: dict[Fate, int] = {}
        for record in read:
            fate = self._merge(record, outbox)
            fates[fate] = fates.get(fate, 0) + 1
        self._figures.judged(self._merger)
        return Judged([StateRow(MERGER, self._merger.save())], outbox, fates)

    def _read(self, raw: RawBatch, at: int) -> ShardMinutes | OutboxEntry:
        """The record, or its dead letter."""
        try:
            return _minutes.decode(raw.data[int(raw.starts[at]) : int(raw.starts[at + 1])])
        except msgspec.MsgspecError as error:
            reason = f"not what topic {self._shard.topic} carries: {error}"
            return dead_entry(self._shard, raw, int(raw.offsets[at]), reason)

    def _merge(self, record: ShardMinutes | OutboxEntry, outbox: list[OutboxEntry]) -> Fate:
        if isinstance(record, OutboxEntry):
            outbox.append(record)
            return Fate.DEAD
        if record.source not in self._names:
            return Fate.LATE
        if record.through_ns <= self._merger.through[record.source]:
            return Fate.DUPLICATE
        found = self._merger.take(record)
        if found.through_ns:
            outbox.append(OutboxEntry("market", "*", msgspec.json.encode(found)))
        return Fate.JUDGED


class SourceRules:
    """The `Rules` of the merger: which shards it waits for. Other shards are a change, made at one place of the log;
    what is known of those that stay is kept."""

    def __init__(self, sources: TapeSources, store: ShardStore, now_ns: Callable[[], int]) -> None:
        self._sources, self._store, self._now_ns = sources, store, now_ns

    @property
    def fingerprint(self) -> str:
        return self._sources.fingerprint

    def manifest(self, rows: Sequence[StateRow]) -> StateRow | None:  # noqa: ARG002 - there is none
        """None: the merger's row names its shards itself."""
        return None

    def check(self, rows: Sequence[StateRow]) -> None:
        for row in rows:
            sources_in(row.data)

    def stale(self, rows: Sequence[StateRow]) -> bool:
        """Whether the merger's row is of other shards."""
        return any(row.key == MERGER and sources_in(row.data) != set(self._sources.names) for row in rows)

    def change(self, head: ShardHead, rows: Sequence[StateRow]) -> ShardHead:
        merger = Merger(self._sources.names)
        found = [row for row in rows if row.key == MERGER]
        merger.load(*(row.data for row in found))
        before = {name for row in found for name in sources_in(row.data)}
        after = set(self._sources.names)
        entry = AuditEntry(
            seq=0,
            at_ns=self._now_ns(),
            actor="merger",
            action="shards_changed",
            subject=head.shard,
            detail={
                "offset": head.next,
                "added": ", ".join(sorted(after - before)),
                "removed": ", ".join(sorted(before - after)),
            },
        )
        commit = Commit(
            head.shard, head.incarnation, head.fingerprint, head.epoch, head.next, head.next,
            [StateRow(MERGER, merger.save())], [OutboxEntry("audit", "*", msgspec.json.encode(entry))], {},
        )  # fmt: skip
        self._store.set_fingerprint(commit, self.fingerprint)
        return replace(head, fingerprint=self.fingerprint)
