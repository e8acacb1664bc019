"""From what a run told to counts, rates and scores."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from tapewatch.alerts.bootstrap import block_rate
from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import Matching, Rate, Scorecard
from tapewatch.detection.backtest.exposure import Exposure, day_text, local_day
from tapewatch.detection.backtest.result import (
    DayCount,
    Difference,
    KindScore,
    LabelScore,
    RateOf,
    RuleCount,
    ShareOf,
    SideResult,
    SymbolCount,
)
from tapewatch.detection.backtest.run import Found, Trial
from tapewatch.model.alerts import HIGH_AT, SEVERITIES, Incident
from tapewatch.model.instruments import Instrument
from tapewatch.model.times import HOUR_NS, MINUTE_NS

BUSIEST = 10
LINK_NS = 15 * MINUTE_NS
TRADES_TOLERANCE_NS = MINUTE_NS


def matching_of(exposure: Exposure) -> Matching:
    """How labels are matched: within one bar (the longest of the history) or, for trades, 60 s of their onset. From 30
    minutes before a pump's onset to two hours after it further incidents are neither true nor false."""
    tolerance_ns = max(exposure.longest_ns, TRADES_TOLERANCE_NS if exposure.trades else 0)
    return Matching(
        tolerance_ns=tolerance_ns or TRADES_TOLERANCE_NS,
        bar_ns=0 if exposure.trades else exposure.longest_ns,
        neutral_before_ns=30 * MINUTE_NS,
        neutral_after_ns=2 * HOUR_NS,
        neutral_kinds=frozenset({"pump_dump"}),
    )


def labels_within(labels: Sequence[Label], exposure: Exposure) -> list[Label]:
    """The labels that the history could show: of a symbol that was seen, with their onset in its span of time."""
    seen, tolerance_ns = exposure.of_symbol(), matching_of(exposure).tolerance_ns
    return [
        label
        for label in labels
        if Instrument(label.venue, label.symbol) in seen
        and exposure.first_ns - tolerance_ns <= label.onset_ns <= exposure.last_ns + tolerance_ns
    ]


def summarise(
    trial: Trial,
    source: str,
    calibration: str,
    exposure: Exposure,
    card: Scorecard | None = None,
    moved: frozenset[str] = frozenset(),
) -> SideResult:
    """Everything that is told of one side. `card`: against labels, where there are any; `moved`: the incidents at which
    the price did (`moves`)."""
    found = trial.found()
    price, quality = found.price(), found.data_quality()
    days = _days(found.incidents, exposure)
    return SideResult(
        name=trial.engine.rules.name,
        source=source,
        fingerprint=trial.engine.fingerprint,
        calibration=calibration,
        fates={fate.name.lower(): n for fate, n in sorted(trial.fates.items())},
        price=rate_of(price, exposure),
        price_high=rate_of([i for i in price if i.score >= HIGH_AT], exposure),
        data_quality=rate_of(quality, exposure),
        retracted=found.retracted,
        severities={s: sum(i.severity == s for i in found.incidents) for s in SEVERITIES},
        rules=_rules(trial, found),
        symbols=_symbols(found.incidents, exposure),
        days=days,
        busiest=sorted((d for d in days if d.price + d.data_quality), key=lambda d: (-d.price - d.data_quality, d.day))[
            :BUSIEST
        ],
        score=None if card is None else _score(card, found, exposure, moved),
        incidents=sorted(found.incidents, key=lambda i: (i.onset_ns, i.incident_id)),
    )


def rate_of(incidents: Iterable[Incident], exposure: Exposure) -> RateOf:
    """Incidents a symbol and day, with an interval over blocks of a day."""
    per_day = Counter(local_day(i.venue, i.onset_ns) for i in incidents)
    days = exposure.days()
    value, interval = block_rate([per_day[d] for d in days], list(days.values()))
    return RateOf(incidents=per_day.total(), per_symbol_day=value, interval=interval)


def _rules(trial: Trial, found: Found) -> list[RuleCount]:
    kept = {i.incident_id for i in found.incidents}
    opened = {a.alert_id: a for a in found.revisions if a.change == "fired"}
    parts: dict[str, set[str]] = defaultdict(set)
    for alert in opened.values():
        parts[alert.incident_id].add(alert.rule)
    alerts = Counter(a.rule for a in opened.values())
    shared = Counter(rule for i in kept for rule in parts[i])
    alone = Counter(rule for i in kept if len(parts[i]) == 1 for rule in parts[i])
    return [
        RuleCount(rule=r.name, version=r.version, alerts=alerts[r.name], incidents=shared[r.name], alone=alone[r.name])
        for r in trial.engine.rules.rules
    ]


def _split(incidents: Iterable[Incident]) -> tuple[int, int]:
    quality = [i.category == "data_quality" for i in incidents]
    return len(quality) - sum(quality), sum(quality)


def _symbols(incidents: Sequence[Incident], exposure: Exposure) -> list[SymbolCount]:
    """By symbol, the most disturbed first; symbols without incidents too."""
    of: dict[Instrument, list[Incident]] = defaultdict(list)
    for incident in incidents:
        of[Instrument(incident.venue, incident.symbol)].append(incident)
    rows = []
    for symbol, days in exposure.of_symbol().items():
        price, quality = _split(of[symbol])
        rows.append(SymbolCount(venue=symbol.venue, symbol=symbol.symbol, days=days, price=price, data_quality=quality))
    return sorted(rows, key=lambda r: (-r.price - r.data_quality, r.venue, r.symbol))


def _days(incidents: Sequence[Incident], exposure: Exposure) -> list[DayCount]:
    of: dict[int, list[Incident]] = defaultdict(list)
    for incident in incidents:
        of[local_day(incident.venue, incident.onset_ns)].append(incident)
    rows = []
    for day, symbols in exposure.days().items():
        price, quality = _split(of[day])
        rows.append(DayCount(day=day_text(day), symbols=symbols, price=price, data_quality=quality))
    return rows


def share_of(rate: Rate) -> ShareOf:
    """A share as it is written."""
    value = rate.value if rate.trials else None
    return ShareOf(successes=rate.successes, trials=rate.trials, value=value, interval=rate.interval)


def unlabelled(card: Scorecard, found: Found) -> list[Incident]:
    """The price incidents that no label accounts for."""
    false = {i for f in card.families if f.family == "price" for i in f.false_incidents}
    return [i for i in found.incidents if i.incident_id in false]


def _score(card: Scorecard, found: Found, exposure: Exposure, moved: frozenset[str]) -> LabelScore:
    unknown = unlabelled(card, found)
    kinds = [
        KindScore(
            kind=c.kind,
            recall=share_of(c.recall),
            median_delay_s=c.median_delay_s,
            delays_s=sorted(c.delays_s),
            late=c.late,
        )
        for c in card.classes
    ]
    return LabelScore(
        recall=share_of(card.recall),
        precision={f.family: share_of(f.precision) for f in card.families},
        neutral=sum(f.neutral for f in card.families),
        kinds=kinds,
        traps={kind: share_of(rate) for kind, rate in card.traps.items()},
        missed=[msgspec.to_builtins(label) for label in card.missed],
        false_incidents=sorted(i for f in card.families for i in f.false_incidents),
        unlabelled_moved=rate_of((i for i in unknown if i.incident_id in moved), exposure),
        unlabelled_calm=rate_of((i for i in unknown if i.incident_id not in moved), exposure),
    )


def difference(a: Sequence[Incident], b: Sequence[Incident]) -> Difference:
    """Which incidents of each side the other has nothing like. Alike: one symbol and family, onsets within 15 minutes,
    or one on while the other begins. O(n log n) and the pairs of one symbol."""
    only_a, only_b = _unlike(a, b), _unlike(b, a)
    return Difference(both=len(b) - len(only_b), only_a=only_a, only_b=only_b)


def _unlike(those: Sequence[Incident], others: Sequence[Incident]) -> list[str]:
    near: dict[tuple[str, str, bool], list[Incident]] = defaultdict(list)
    for other in others:
        near[_key(other)].append(other)
    return [i.incident_id for i in those if not any(_alike(i, other) for other in near[_key(i)])]


def _key(incident: Incident) -> tuple[str, str, bool]:
    return incident.venue, incident.symbol, incident.category == "data_quality"


def _alike(a: Incident, b: Incident) -> bool:
    return abs(a.onset_ns - b.onset_ns) <= LINK_NS or (a.onset_ns <= b.updated_ns and b.onset_ns <= a.updated_ns)
