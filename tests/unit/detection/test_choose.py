"""Thresholds are chosen by what they find and cost, and stay where nothing speaks for moving them."""

import pytest

from tapewatch.detection.tuning.choose import Cell, Choice, choose, incidents_of
from tapewatch.detection.tuning.grid import BASE, FACTORS
from tapewatch.model.times import MINUTE_NS

HOUR = 60
NOTHING = Cell((), frozenset(), 0)


def cell(*minutes: int, found: tuple[int, ...] = (), noise: int = 0) -> Cell:
    return Cell(tuple(("XNAS", "A", m * MINUTE_NS) for m in minutes), frozenset(found), noise)


def curve(*, loud: Cell, quiet: Cell, until: int) -> list[Cell]:
    """`loud` at the first `until` factors, `quiet` at the stricter ones."""
    return [loud if k < until else quiet for k in range(len(FACTORS))]


def pick(cells: dict[str, list[Cell]], most: float, *, labelled: bool, fixed: Cell = NOTHING) -> Choice:
    return choose(cells, fixed, most, labelled)


def test_onsets_of_a_symbol_within_a_quarter_of_an_hour_are_one_incident() -> None:
    onsets = [*cell(0, 10, 24, 40).onsets, ("XNAS", "B", 24 * MINUTE_NS)]
    assert incidents_of(onsets) == 3
    assert incidents_of([]) == 0


def test_the_budget_is_held() -> None:
    cells = {"a": curve(loud=cell(0, HOUR, 2 * HOUR), quiet=cell(0), until=6)}
    found = pick(cells, 2.0, labelled=False)
    assert found.at["a"] >= 6 and found.incidents == 1 and found.within_budget
    assert pick(cells, 3.0, labelled=False).incidents == 3


def test_what_rules_without_a_threshold_tell_counts_too() -> None:
    cells = {"a": curve(loud=cell(0, HOUR), quiet=NOTHING, until=6)}
    assert pick(cells, 3.0, labelled=False, fixed=cell(5 * HOUR)).incidents == 3
    over = pick(cells, 0.5, labelled=False, fixed=cell(5 * HOUR))
    assert (over.incidents, over.within_budget) == (1, False)


def test_an_incident_that_two_rules_tell_is_paid_for_once() -> None:
    same = curve(loud=cell(0, HOUR), quiet=NOTHING, until=6)
    assert pick({"a": same, "b": same}, 2.0, labelled=False).incidents == 2


def test_the_budget_goes_to_what_finds_most() -> None:
    finds = curve(loud=cell(0, HOUR, found=(0, 1)), quiet=NOTHING, until=3)
    idle = curve(loud=cell(5 * HOUR, 7 * HOUR), quiet=NOTHING, until=BASE + 2)
    found = pick({"finds": finds, "idle": idle}, 2.0, labelled=True)
    assert found.found == 2 and found.at["finds"] < 3 and found.at["idle"] >= BASE + 2


def test_with_labels_nothing_is_loosened_that_finds_nothing() -> None:
    idle = curve(loud=cell(0, found=()), quiet=NOTHING, until=BASE)
    assert pick({"a": idle}, 9.0, labelled=True).at == {"a": BASE}


def test_of_two_rules_that_find_the_same_the_one_without_noise_is_chosen() -> None:
    noisy = curve(loud=cell(0, found=(0,), noise=3), quiet=NOTHING, until=6)
    clean = curve(loud=cell(HOUR, found=(0,)), quiet=NOTHING, until=6)
    assert pick({"a": noisy, "b": clean}, 1.0, labelled=True).at["b"] < 6


@pytest.mark.parametrize("labelled", [True, False])
def test_a_threshold_that_changes_nothing_stays_where_it_was(labelled: bool) -> None:
    assert pick({"a": [cell(0)] * len(FACTORS)}, 5.0, labelled=labelled).at == {"a": BASE}
