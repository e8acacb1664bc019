"""What a report says, gathered in one pass over the alerts: pure, and of bounded memory however many there are."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, Protocol, TypeVar, runtime_checkable
from zoneinfo import ZoneInfo

from tapewatch.model.alerts import SEVERITIES, Alert, Case, Category, Severity
from tapewatch.model.errors import InputError
from tapewatch.model.market import Group
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.times import LocalTimes

Entry = tuple[Alert, Case | None]
T = TypeVar("T")
_Key = tuple[int, float, int, str]
CATEGORIES: tuple[Category, ...] = ("price", "volume", "data_quality")
OPEN_STATES = frozenset({"firing", "recovering"})
_RANK = {severity: rank for rank, severity in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was watched while the alerts of a report came about, whether it raised one or not."""

    instruments: tuple[str, ...]  # venue:symbol
    rules: tuple[str, ...]  # names, with versions where they are known
    records: int | None = None  # of the tape, read in the range; None where nobody counted


@runtime_checkable
class CoverageSource(Protocol):
    """A report source that can also tell what was watched; the report says so where it cannot."""

    def coverage(self, request: ReportRequest) -> Coverage | None:
        """What was watched within the request's range and filters; None where that is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Peers:
    """What a symbol can be held against: others of its market, and itself elsewhere; (venue, symbol) each."""

    market: str
    others: tuple[tuple[str, str], ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class MarketSource(Protocol):
    """A report source that can also tell what markets did; the report says so where it cannot."""

    def groups(self, request: ReportRequest, named: Collection[str] = ()) -> Iterator[Group]:
        """The market-wide moves that were recognised within the request's time, oldest first: those with a member of
        the request's venue and symbol, and those that are named by their ids."""
        ...

    def groups_of(self, alerts: Sequence[Alert]) -> dict[str, str]:
        """By alert id, the group that its incident belongs to, where it belongs to one."""
        ...

    def peers(self, venue: str, symbol: str, from_ns: int, to_ns: int) -> Peers:
        """What else was watched of its market, and of itself elsewhere, in [from_ns, to_ns) at least."""
        ...


@dataclass(slots=True)
class Episode:
    """An incident as the report sees it: those of its alerts that are within the request."""

    incident_id: str
    worst: Alert  # the most severe alert that was not retracted (of all, when all were); the earlier one of equals
    case: Case | None  # of the worst of its alerts that somebody decided about, else of one that has a case
    onset_ns: int
    alerts: int = 1


@dataclass(slots=True)
class Tally:
    """How many alerts of one kind there are, and how many of each severity."""

    total: int = 0
    by_severity: Counter[Severity] = field(default_factory=Counter)

    def add(self, severity: Severity) -> None:
        self.total += 1
        self.by_severity[severity] += 1


@dataclass(slots=True)
class Summary:
    """The figures of a report. Incidents count once whatever their number of alerts."""

    total: int = 0
    incidents: int = 0
    price_incidents: int = 0  # of them, about prices or volumes and not retracted: those that can be charted
    first_onset_ns: int | None = None
    last_onset_ns: int | None = None
    by_severity: Counter[Severity] = field(default_factory=Counter)
    by_category: dict[Category, Tally] = field(default_factory=dict)
    by_rule: dict[str, Tally] = field(default_factory=dict)
    by_symbol: dict[str, Tally] = field(default_factory=dict)  # venue:symbol
    by_day: Counter[str] = field(default_factory=Counter)  # YYYY-MM-DD in the request's zone
    by_state: Counter[str] = field(default_factory=Counter)
    by_disposition: Counter[str] = field(default_factory=Counter)  # "open" where no case was closed
    rule_versions: dict[str, set[str]] = field(default_factory=dict)
    uncalibrated: int = 0
    acknowledged: int = 0  # cases that somebody took, open or closed
    worst: list[Entry] = field(default_factory=list)  # the most severe, in the order (onset_ns, alert_id)
    episodes: list[Episode] = field(default_factory=list)  # incidents that are about prices or volumes, worst first

    @property
    def provisional(self) -> int:
        """Alerts whose episode had not ended: their numbers may still change."""
        return sum(self.by_state[state] for state in OPEN_STATES)

    def busiest_days(self, n: int) -> list[tuple[str, int]]:
        """The n days with the most alerts, the earlier one of equals first."""
        return sorted(self.by_day.items(), key=lambda item: (-item[1], item[0]))[:n]


def zone_of(request: ReportRequest) -> ZoneInfo:
    """The zone in which a request wants its times. Raises InputError for one that the tz database does not have."""
    try:
        return ZoneInfo(request.zone)
    except (KeyError, ValueError, OSError):
        raise InputError(
            f"{request.zone!r} is not a time zone; name one of the tz database, e.g. Europe/Rome"
        ) from None


def severity_key(alert: Alert) -> _Key:
    """Sorts alerts from the mildest to the most severe; of equals the earlier one is the more severe."""
    return (_RANK[alert.severity], alert.score, -alert.onset_ns, alert.alert_id)


def _standing_key(alert: Alert) -> tuple[bool, _Key]:
    return alert.state != "retracted", severity_key(alert)


class _Worst(Generic[T]):
    """The k most severe items of a stream: O(k) memory, O(log k) an item."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._heap: list[tuple[_Key, int, T]] = []
        self._ties = count()  # so that the heap never compares two items of one key

    def add(self, key: _Key, item: T) -> None:
        if len(self._heap) < self._k:
            heapq.heappush(self._heap, (key, next(self._ties), item))
        elif self._k and key > self._heap[0][0]:
            heapq.heapreplace(self._heap, (key, next(self._ties), item))

    def items(self) -> list[T]:
        return [item for _, _, item in sorted(self._heap, key=lambda row: row[:2], reverse=True)]


def summarise(entries: Iterable[Entry], zone: ZoneInfo, *, keep: int = 2_000, charts: int = 12) -> Summary:
    """Count alerts that come in the order (onset_ns, alert_id), keeping the `keep` most severe and `charts` incidents.

    Memory: O(keep + charts + distinct symbols, rules and days), never O(alerts). That order is what makes it enough to
    remember two incidents for each venue and symbol, one of them on the data: others of one symbol do not interleave.
    """
    summary = Summary()
    worst: _Worst[Entry] = _Worst(keep)
    episodes: _Worst[Episode] = _Worst(charts)
    current: dict[tuple[str, str, bool], Episode] = {}
    local = LocalTimes(zone)
    for alert, case in entries:
        _count(summary, alert, case, local)
        worst.add(severity_key(alert), (alert, case))
        _follow(summary, current, episodes, (alert, case))
    for episode in current.values():
        _close(summary, episode, episodes)
    summary.worst = sorted(worst.items(), key=lambda entry: (entry[0].onset_ns, entry[0].alert_id))
    summary.episodes = episodes.items()
    return summary


def _count(summary: Summary, alert: Alert, case: Case | None, local: LocalTimes) -> None:
    summary.total += 1
    if summary.first_onset_ns is None:
        summary.first_onset_ns = alert.onset_ns
    summary.last_onset_ns = alert.onset_ns
    summary.by_severity[alert.severity] += 1
    summary.by_category.setdefault(alert.category, Tally()).add(alert.severity)
    summary.by_rule.setdefault(alert.rule, Tally()).add(alert.severity)
    summary.by_symbol.setdefault(f"{alert.venue}:{alert.symbol}", Tally()).add(alert.severity)
    summary.by_day[local.text(alert.onset_ns, "%Y-%m-%d")] += 1
    summary.by_state[alert.state] += 1
    summary.rule_versions.setdefault(alert.rule, set()).add(alert.rule_version)
    summary.uncalibrated += not alert.calibrated
    summary.acknowledged += case is not None and case.acknowledged_by is not None
    summary.by_disposition[(case.disposition if case is not None else None) or "open"] += 1


def _follow(
    summary: Summary, current: dict[tuple[str, str, bool], Episode], episodes: _Worst[Episode], entry: Entry
) -> None:
    alert, case = entry
    place = (alert.venue, alert.symbol, alert.category == "data_quality")  # prices and volumes are joined
    episode = current.get(place)
    if episode is None or episode.incident_id != alert.incident_id:
        if episode is not None:
            _close(summary, episode, episodes)
        current[place] = Episode(alert.incident_id, alert, case, alert.onset_ns)
        summary.incidents += 1
        return
    episode.alerts += 1
    worse = _standing_key(alert) > _standing_key(episode.worst)
    if worse:
        episode.worst = alert
    undecided = episode.case is None or episode.case.disposition is None
    if case is not None and (undecided or (worse and case.disposition is not None)):
        episode.case = case


def _close(summary: Summary, episode: Episode, episodes: _Worst[Episode]) -> None:
    if episode.worst.category != "data_quality" and episode.worst.state != "retracted":
        summary.price_incidents += 1
        episodes.add(severity_key(episode.worst), episode)
