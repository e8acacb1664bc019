"""Found against planted: recall by class, precision by family, delays, and which traps fired.

The unit is the incident. Data-quality labels are matched with data-quality incidents, all others with price and volume
incidents: an impossible print that raises a price alert is a false price incident, not a find.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from tapewatch.alerts.intervals import clopper_pearson, share
from tapewatch.alerts.labels import DATA_QUALITY_KINDS, Label
from tapewatch.model.alerts import Alert, Category
from tapewatch.model.times import MINUTE_NS

Family = Literal["price", "data_quality"]
FAMILIES: tuple[Family, ...] = ("price", "data_quality")

_TELLING = frozenset({"fired", "worsened", "refired"})


@dataclass(frozen=True, slots=True)
class Rate:
    """successes / trials with its exact 95 % interval; NaN and (0, 1) where nothing was tried."""

    successes: int
    trials: int

    @property
    def value(self) -> float:
        return share(self.successes, self.trials)

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.successes, self.trials)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one kind of label fared. `delays_s`: of each find, in event time; negative where it came before the onset.
    `late`: how many of the missed were told after all, later but before their end."""

    kind: str
    recall: Rate
    delays_s: tuple[float, ...]
    late: int = 0

    @property
    def median_delay_s(self) -> float | None:
        return median(self.delays_s) if self.delays_s else None


@dataclass(frozen=True, slots=True)
class FamilyScore:
    """Incidents of one family: `precision` is true / (true + false). `neutral` and `retracted` ones are neither."""

    family: Family
    precision: Rate
    neutral: int
    retracted: int
    false_incidents: tuple[str, ...]  # incident ids


@dataclass(frozen=True, slots=True)
class Scorecard:
    """What a run found. Kinds are in alphabetical order; `traps` counts those in which something opened."""

    classes: tuple[ClassScore, ...]
    families: tuple[FamilyScore, ...]
    traps: dict[str, Rate] = field(default_factory=dict)
    missed: tuple[Label, ...] = ()

    @property
    def recall(self) -> Rate:
        """Over all classes."""
        return Rate(sum(c.recall.successes for c in self.classes), sum(c.recall.trials for c in self.classes))

    @property
    def precision(self) -> Rate:
        """Over both families."""
        return Rate(sum(f.precision.successes for f in self.families), sum(f.precision.trials for f in self.families))


@dataclass(frozen=True, slots=True)
class Matching:
    """How near is near. A find comes within `tolerance_ns` of the onset (one bar, or 60 s for trades); events of the
    kinds in `until_end` may be found until as long after their end. On bars of `bar_ns`, which are stamped with their
    start and judged at their end, an alert that a timer opens counts as one of the bar that its time ends. Other
    incidents from `neutral_before_ns` before an onset of a kind in `neutral_kinds` to `neutral_after_ns` after it are
    neither true nor false."""

    tolerance_ns: int = MINUTE_NS
    bar_ns: int = 0
    until_end: frozenset[str] = frozenset()
    neutral_before_ns: int = 0
    neutral_after_ns: int = 0
    neutral_kinds: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Seen:
    """One incident: the tellings of its alerts, in order of event time."""

    family: Family
    tellings: list[Alert] = field(default_factory=list)
    retracted: bool = True  # every alert of it was withdrawn in the end


Key = tuple[str, str, Family]


def family_of(category: Category) -> Family:
    """Price and volume belong together, data quality is apart."""
    return "data_quality" if category == "data_quality" else "price"


def score(labels: Sequence[Label], revisions: Iterable[Alert], matching: Matching | None = None) -> Scorecard:
    """Match alert revisions (any order) with labels (traps among them).

    A label is found where an alert opens, fires again or worsens in the label's direction around its onset; alerts that
    are retracted later find nothing. An incident is true where one of its tellings lies between a label's onset and its
    end, give or take the tolerance: in the label's direction where that lasts a single bar, in either where it lasts
    longer.
    Cost: one pass over the revisions, then a few comparisons for each label and incident of one symbol.
    """
    matching = matching or Matching()
    incidents = _incidents(revisions)
    by_key: dict[Key, list[_Seen]] = defaultdict(list)
    for seen in incidents.values():
        alert = seen.tellings[0]
        by_key[alert.venue, alert.symbol, seen.family].append(seen)
    events = [label for label in labels if not label.is_trap]
    told = {i: _delay_s(label, by_key.get(_key(label), []), matching) for i, label in enumerate(events)}
    delays = {i: _in_time(label, told[i], matching) for i, label in enumerate(events)}
    late = {i for i, delay in told.items() if delay is not None and delays[i] is None}
    events_by_key: dict[Key, list[Label]] = defaultdict(list)
    for label in events:
        events_by_key[_key(label)].append(label)
    return Scorecard(
        classes=tuple(_classes(events, delays, late)),
        families=tuple(_family(f, incidents, events_by_key, matching) for f in FAMILIES),
        traps=_traps(labels, by_key, events_by_key, matching),
        missed=tuple(label for i, label in enumerate(events) if delays[i] is None),
    )


def _incidents(revisions: Iterable[Alert]) -> dict[str, _Seen]:
    newest: dict[str, Alert] = {}
    tellings: list[Alert] = []
    for alert in revisions:
        known = newest.get(alert.alert_id)
        if known is None or known.revision < alert.revision:
            newest[alert.alert_id] = alert
        if alert.change in _TELLING:
            tellings.append(alert)
    found: dict[str, _Seen] = {}
    for alert in sorted(tellings, key=lambda a: (a.ts_event_ns, a.alert_id, a.revision)):
        seen = found.setdefault(alert.incident_id, _Seen(family_of(alert.category)))
        withdrawn = newest[alert.alert_id].state == "retracted"
        seen.retracted = seen.retracted and withdrawn
        seen.tellings.append(alert)
    for seen in found.values():
        kept = [a for a in seen.tellings if newest[a.alert_id].state != "retracted"]
        seen.tellings = kept or seen.tellings
    return found


def _key(label: Label) -> Key:
    family: Family = "data_quality" if label.kind in DATA_QUALITY_KINDS else "price"
    return label.venue, label.symbol, family


def _told_ns(alert: Alert, matching: Matching) -> int:
    by_timer = alert.onset_k < 0 and alert.ts_event_ns == alert.onset_ns
    return alert.ts_event_ns - matching.bar_ns if by_timer else alert.ts_event_ns


def _in_window(label: Label, alert: Alert, matching: Matching) -> bool:
    return label.onset_ns - matching.tolerance_ns <= _told_ns(alert, matching) <= label.end_ns + matching.tolerance_ns


def _same_way(label: Label, alert: Alert) -> bool:
    if label.kind in DATA_QUALITY_KINDS:
        return True
    return "none" in {label.direction, alert.direction} or label.direction == alert.direction


def _delay_s(label: Label, seen: list[_Seen], matching: Matching) -> float | None:
    """Seconds from the onset to the first telling until the end; None where there was none."""
    finds = [
        _told_ns(alert, matching)
        for incident in seen
        if not incident.retracted
        for alert in incident.tellings
        if _in_window(label, alert, matching) and _same_way(label, alert)
    ]
    return (min(finds) - label.onset_ns) / 1e9 if finds else None


def _in_time(label: Label, delay_s: float | None, matching: Matching) -> float | None:
    """The delay where it is a find's, else None."""
    if delay_s is None or label.kind in matching.until_end or delay_s * 1e9 <= matching.tolerance_ns:
        return delay_s
    return None


def _classes(events: list[Label], delays: dict[int, float | None], late: set[int]) -> Iterator[ClassScore]:
    for kind in sorted({label.kind for label in events}):
        places = [i for i, label in enumerate(events) if label.kind == kind]
        found = tuple(d for i in places if (d := delays[i]) is not None)
        yield ClassScore(kind, Rate(len(found), len(places)), found, len(late.intersection(places)))


def _is_true(seen: _Seen, labels: list[Label], matching: Matching) -> bool:
    return any(
        _in_window(label, alert, matching) and (label.end_ns > label.onset_ns or _same_way(label, alert))
        for label in labels
        for alert in seen.tellings
    )


def _is_neutral(seen: _Seen, labels: list[Label], matching: Matching) -> bool:
    opened_ns = seen.tellings[0].ts_event_ns
    return any(
        label.onset_ns - matching.neutral_before_ns <= opened_ns <= label.onset_ns + matching.neutral_after_ns
        for label in labels
        if label.kind in matching.neutral_kinds
    )


def _family(
    family: Family, incidents: dict[str, _Seen], labels: dict[Key, list[Label]], matching: Matching
) -> FamilyScore:
    true = neutral = retracted = 0
    false: list[str] = []
    for incident_id, seen in incidents.items():
        if seen.family != family:
            continue
        alert = seen.tellings[0]
        own = labels.get((alert.venue, alert.symbol, family), [])
        if seen.retracted:
            retracted += 1
        elif _is_true(seen, own, matching):
            true += 1
        elif _is_neutral(seen, own, matching):
            neutral += 1
        else:
            false.append(incident_id)
    return FamilyScore(family, Rate(true, true + len(false)), neutral, retracted, tuple(false))


def _traps(
    labels: Sequence[Label], by_key: dict[Key, list[_Seen]], events: dict[Key, list[Label]], matching: Matching
) -> dict[str, Rate]:
    """Of each kind of trap: in how many an incident opened that no label accounts for."""
    fired: dict[str, list[bool]] = defaultdict(list)
    for trap in labels:
        if not trap.is_trap:
            continue
        key = _key(trap)
        fired[trap.kind].append(
            any(
                trap.onset_ns <= seen.tellings[0].ts_event_ns <= trap.end_ns
                for seen in by_key.get(key, [])
                if not seen.retracted and not _is_true(seen, events.get(key, []), matching)
            )
        )
    return {kind: Rate(sum(hits), len(hits)) for kind, hits in sorted(fired.items())}
