"""Which threshold of each rule: what every choice costs and finds, and the best within a budget. Pure."""

from bisect import insort
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import Matching, score
from tapewatch.detection.tuning.grid import BASE, FACTORS
from tapewatch.model.alerts import Alert
from tapewatch.model.times import MINUTE_NS

LINK_NS = 15 * MINUTE_NS
Onset = tuple[str, str, int]  # venue, symbol, time


class Cell(msgspec.Struct, frozen=True):
    """What one rule at one factor told of one group: onsets of its alerts that were not withdrawn, the labels
    (positions) that they find, and how many that people had called noise they tell again."""

    onsets: tuple[Onset, ...]
    found: frozenset[int]
    noise: int


class Choice(msgspec.Struct, frozen=True):
    """The chosen factor of each tunable rule (a position in `FACTORS`), with the incidents and finds of all rules of
    the group together."""

    at: dict[str, int]
    incidents: int
    found: int
    within_budget: bool


def cell_of(revisions: Sequence[Alert], labels: Sequence[Label], noise: Sequence[Label], matching: Matching) -> Cell:
    """The cell of the revisions of one rule, group and factor."""
    newest = {a.alert_id: a for a in revisions}
    onsets = sorted((a.venue, a.symbol, a.onset_ns) for a in newest.values() if a.state != "retracted")
    missed = {id(label) for label in score(labels, revisions, matching).missed}
    again = len(noise) - len(score(noise, revisions, matching).missed)
    return Cell(tuple(onsets), frozenset(i for i, label in enumerate(labels) if id(label) not in missed), again)


def incidents_of(onsets: Sequence[Onset]) -> int:
    """How many incidents sorted onsets make: those of a symbol within 15 minutes of the one before are one."""
    count, last = 0, None
    for onset in onsets:
        if last is None or onset[:2] != last[:2] or onset[2] - last[2] > LINK_NS:
            count += 1
        last = onset
    return count


def choose(cells: Mapping[str, Sequence[Cell]], fixed: Cell, most: float, labelled: bool) -> Choice:
    """The factors of one group's rules under which at most `most` incidents come about.

    From the strictest of all, thresholds are loosened by the step that finds most labels for what it costs, as long as
    one finds any. What is left of the budget then goes, a step at a time, to the rule that tells least: down to the
    thresholds that they had where there are labels (more than that would buy nothing that anybody knows of), else
    as far as the budget reaches. `fixed` is what the rules tell that cannot be tuned.
    """
    at = {rule: len(FACTORS) - 1 for rule in cells}
    while labelled and (step := _best(cells, fixed, at, most)):
        at[step[0]] = step[1]
    floor = BASE if labelled else 0
    while (rule := _least(cells, fixed, at, most, floor)) is not None:
        at[rule] -= 1
    at = {rule: _settled(cells[rule], k) for rule, k in at.items()}
    cost, found, _ = _total(cells, fixed, at)
    return Choice(at, cost, found, cost <= most)


def _settled(curve: Sequence[Cell], at: int) -> int:
    """The factor nearest to 1 of those that told the same: thresholds do not move without a reason."""
    return min((k for k, cell in enumerate(curve) if cell == curve[at]), key=lambda k: (abs(k - BASE), k))


def _total(cells: Mapping[str, Sequence[Cell]], fixed: Cell, at: Mapping[str, int]) -> tuple[int, int, int]:
    """(incidents, labels found, noise told again) of a choice."""
    chosen = [fixed, *(cells[rule][k] for rule, k in at.items())]
    onsets: list[Onset] = sorted(o for cell in chosen for o in cell.onsets)
    found = frozenset[int]().union(*(cell.found for cell in chosen))
    return incidents_of(onsets), len(found), sum(cell.noise for cell in chosen)


def _best(
    cells: Mapping[str, Sequence[Cell]], fixed: Cell, at: Mapping[str, int], most: float
) -> tuple[str, int] | None:
    cost, found, noise = _total(cells, fixed, at)
    ranked: list[tuple[float, str, int]] = []
    for rule, now in at.items():
        for k in range(now - 1, -1, -1):
            after, more, again = _total(cells, fixed, {**at, rule: k})
            if after <= most and more > found:
                insort(ranked, ((more - found) / (1.0 + after - cost + again - noise), rule, k))
    return (ranked[-1][1], ranked[-1][2]) if ranked else None


def _least(
    cells: Mapping[str, Sequence[Cell]], fixed: Cell, at: Mapping[str, int], most: float, floor: int
) -> str | None:
    open_steps: dict[int, list[str]] = defaultdict(list)
    for rule, now in at.items():
        if now > floor and _total(cells, fixed, {**at, rule: now - 1})[0] <= most:
            open_steps[len(cells[rule][now - 1].onsets)].append(rule)
    return min(open_steps[min(open_steps)]) if open_steps else None
