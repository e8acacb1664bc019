"""What the fault rows say of themselves: the slope of memory, and that a row which failed stays to be seen."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.faults.memory import EVERY_S, HOUR_S, slope_bound
from tests.faults.run import before, keep


@pytest.mark.parametrize(("seconds", "block_s"), [(7_200.0, 300.0), (360.0, 60.0)])
def test_the_bound_holds_the_true_slope_as_often_as_it_says_where_looks_resemble_each_other(
    seconds: float, block_s: float
) -> None:
    dice, true = np.random.default_rng(5), 4.0
    at = np.arange(0.0, seconds, EVERY_S)
    held = []
    for _ in range(400):
        noise = np.convolve(
            dice.normal(size=len(at) + 9), np.full(10, 0.1), "valid"
        )  # twenty seconds resemble each other
        samples = list(zip(at, 200 + true * at / HOUR_S + noise, strict=True))
        slope, bound = slope_bound(samples, block_s)
        assert slope < bound
        held.append(bound >= true)
    assert 0.92 <= np.mean(held) <= 0.98


def test_a_row_keeps_its_newest_run_held_or_not_and_says_of_what_it_is(tmp_path: Path) -> None:
    results = tmp_path / "faults.json"
    keep("bridge", {"passed": True}, str(results))
    keep("soak", {"passed": True}, str(results))
    keep("bridge", before() | {"passed": False}, str(results))
    found = json.loads(results.read_text())
    assert found["soak"] == {"passed": True}
    assert set(found["bridge"]) == {"commit", "date", "load before", "passed"} and not found["bridge"]["passed"]
