"""Volume over a move: a run of busy bars, and never one bar alone."""

import pytest

from tapewatch.detection.detectors.flash_crash import FlashCrash
from tapewatch.detection.features import swell


@pytest.mark.parametrize("times", [5.0, 50.0, 1e9])
def test_one_bar_of_any_size_after_usual_ones_is_no_run(times: float) -> None:
    assert swell(1.0, times) < FlashCrash().min_volume


def test_two_busy_bars_are() -> None:
    assert swell(swell(1.0, 5.0), 5.0) > FlashCrash().min_volume


def test_usual_bars_make_it_usual_again() -> None:
    volume = 5.0
    for _ in range(20):
        volume = swell(volume, 1.0)
    assert volume == pytest.approx(1.0, abs=0.01)
