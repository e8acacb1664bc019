"""Figures of who judges, for `/metrics`: the bridge's own process, or a worker's."""

from collections.abc import Callable

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram

from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.protocol.ports import Judged, Task
from tapewatch.stores.port import OutboxEntry

BUCKETS_S = (0.001, 0.002, 0.004, 0.008, 0.012, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0, 30.0, 120.0)


class _Placed(msgspec.Struct):
    offset: int = 0


_placed = msgspec.json.Decoder(_Placed).decode


class JudgeFigures:
    """Counts commits and refusals, and times alerts from the append of their record to the commit."""

    def __init__(
        self,
        registry: CollectorRegistry | None,
        now_ns: Callable[[], int],
        records: str = "tapewatch_records_judged",
    ) -> None:
        """`registry` None: where this process shares its figures with others by files. `records` is the name of what is
        counted by fate: another one where they are no ticks."""
        self._now_ns = now_ns
        self._latency = Histogram(
            "tapewatch_alert_commit_seconds",
            "From the append of the record to the commit of its alert.",
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._batches = Counter("tapewatch_batches_judged", "Batches committed.", registry=registry)
        family = Counter(records, "Records committed, by fate.", ["fate"], registry=registry)
        # Looked up once: a name and its labels take as long as a tick to judge. All are there from the start: an alarm
        # on the growth of one would not see the first that comes.
        self._fates = {fate: family.labels(fate.name.lower()) for fate in Fate}
        self._refused = Counter(
            "tapewatch_commits_refused", "Commits refused, by check.", ["reason"], registry=registry
        )
        self._given_back = Counter(
            "tapewatch_batches_given_back", "Batches that could not be committed now.", registry=registry
        )

    def committed(self, task: Task, judged: Judged) -> None:
        """One batch took effect."""
        self._batches.inc()
        for fate, count in judged.fates.items():
            self._fates[fate].inc(count)
        if not task.silent:
            self._time([e for e in judged.outbox if e.kind == "alert"], task)

    def refused(self, reason: str) -> None:
        """The compare-and-set did not hold."""
        self._refused.labels(reason).inc()

    def given_back(self) -> None:
        """Something did not answer, or the batch could not be read."""
        self._given_back.inc()

    def _time(self, alerts: list[OutboxEntry], task: Task) -> None:
        if not alerts:
            return
        places = np.searchsorted(task.raw.offsets, [_placed(a.payload).offset for a in alerts])
        now_ns = self._now_ns()
        for at in np.minimum(places, len(task.raw) - 1).tolist():
            self._latency.observe((now_ns - int(task.raw.ts_append_ns[at])) / 1e9)
