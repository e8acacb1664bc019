"""Profiles by time of day, what of a history is counted, and what the shipped calibration holds."""

from typing import Any

import msgspec
import numpy as np
import pytest

from tapewatch.detection.calibration import Calibration, read_calibration
from tapewatch.detection.features import profile_bin
from tapewatch.detection.tuning import CONSERVATIVE, calibrate
from tapewatch.detection.tuning.bars import Bars, bars_of
from tapewatch.detection.tuning.profiles import clipped_mean, profile, sizes
from tapewatch.detection.tuning.tails import ENOUGH_PEAKS
from tapewatch.feeds.simulator import SimulatorConfig, market
from tapewatch.model.ticks import TickBatch
from tapewatch.model.times import MINUTE_NS, parse_rfc3339
from tests.unit.detection.support import BTC, TSLA, bars, batch_of, calibration, calm, compiled_only


def simulated(stocks: int, crypto: int, days: int) -> list[TickBatch]:
    config = SimulatorConfig(seed=3, stocks=stocks, crypto=crypto, days=days, plan=None)
    return [batch.ticks for batch in market(config).batches(0)]


def flat() -> Calibration:
    """The shipped calibration without its profiles."""
    shipped = calibration()
    bare = {
        name: {"tails": {"default": CONSERVATIVE}, "phase_ratio": group.phase_ratio, "scale": group.scale}
        for name, group in shipped.groups.items()
    }
    return read_calibration(msgspec.json.encode({"name": "flat", "groups": bare}), "flat")


@pytest.mark.parametrize(
    ("minute", "expected"),
    [(0, 0), (1, 1), (4, 1), (5, 2), (15, 3), (29, 3), (30, 4), (374, 15), (375, 45), (385, 46), (389, 47)],
)
def test_the_first_and_last_minutes_of_a_session_have_bins_of_their_own(minute: int, expected: int) -> None:
    middle_ns = minute * MINUTE_NS + MINUTE_NS // 2
    assert profile_bin(2, 0, 390 * MINUTE_NS, middle_ns) == expected


def test_what_never_closes_has_a_bin_for_each_half_hour_of_the_week_from_monday() -> None:
    monday_ns = parse_rfc3339("2025-04-07T00:00:00Z")
    assert [profile_bin(4, 0, 0, monday_ns + h * 30 * MINUTE_NS) for h in (0, 1, 47, 48, 335, 336)] == [
        0, 1, 47, 48, 335, 0
    ]  # fmt: skip


def test_bars_that_are_late_or_doubled_are_left_out() -> None:
    ticks = bars(TSLA, calm(5))
    found = bars_of([batch_of([*ticks[:3], ticks[1], ticks[2], *ticks[3:]])])
    assert [b.ts_ns.tolist() for b in found] == [[t.at_ns for t in ticks]]


def test_a_return_over_a_hole_says_nothing_of_a_bar() -> None:
    ticks = bars(TSLA, calm(6))
    size = sizes(bars_of([batch_of([*ticks[:3], *ticks[4:]])])[0])
    assert np.isnan(size).tolist() == [True, False, False, True, False]


def test_one_crash_does_not_move_a_clipped_mean_far() -> None:
    assert clipped_mean(np.array([*[1.0] * 99, 1e6])) < 1.1


def test_a_profile_tells_busy_bins_from_calm_ones_and_has_mean_one() -> None:
    history = bars_of([batch_of(bars(BTC, calm(4 * 1440)))])
    busy = np.where(history[0].bin % 48 < 24, 3.0, 1.0)
    found = profile(history, [busy], 4)
    assert found is not None
    assert found[0] > 1.15 > 0.9 > found[47]
    assert np.mean(found) == pytest.approx(1.0, abs=1e-3)


def weeks(days: int) -> tuple[list[Bars], list[np.ndarray[Any, np.dtype[np.float64]]]]:
    """Hourly bars from a Monday on, twice as much at noon, and a third of it at weekends."""
    start_ns = parse_rfc3339("2025-03-03T00:00:00Z")
    history = bars_of([batch_of(bars(BTC, calm(days * 24), start_ns, step_ns=60 * MINUTE_NS))])
    at = history[0].bin
    value = np.where(at % 48 == 24, 2.0, 1.0) * np.where(at >= 5 * 48, 1.0 / 3.0, 1.0)
    return history, [value]


def test_after_four_weeks_what_never_closes_has_a_profile_of_the_week() -> None:
    history, value = weeks(28)
    found = profile(history, value, 4)
    assert found is not None
    assert len(found) == 336
    monday, sunday = found[:48], found[6 * 48 :]
    assert monday[24] > 1.5 * monday[0]
    assert sunday[0] < 0.75 * monday[0]  # two thirds less, shrunk: a weekend of four weeks is four days
    assert sunday[24] > 1.5 * sunday[0]


def test_before_that_it_has_one_of_the_day() -> None:
    found = profile(*weeks(27), 4)
    assert found is not None
    assert len(found) == 48


def test_a_profile_of_a_day_holds_every_day_and_one_of_the_week_its_own() -> None:
    day, week = [float(i + 1) for i in range(48)], [float(i + 1) for i in range(336)]
    shipped = calibration()

    def continuous(profile: list[float]) -> list[float]:
        group = msgspec.structs.replace(shipped.groups["crypto"], vol={"continuous": profile})
        table = Calibration("mine", {"crypto": group}).table()
        return [float(f) for f in table["vol"][0][4]]

    assert continuous(day) == day * 7
    assert continuous(week) == week


@compiled_only
def test_calibration_of_a_market_is_deterministic_and_reads_back() -> None:
    history = simulated(2, 2, 4)
    found = calibrate(history, flat(), "simulated")
    assert found == calibrate(history, flat(), "simulated")
    assert read_calibration(msgspec.json.encode(found), "written") == found
    tail = found.groups["crypto"].tails["continuous"]
    assert (tail.calibrated, tail.exceedances >= ENOUGH_PEAKS) == (True, True)
    assert found.groups["stock"].volume["regular"][0] > 1.5 > found.groups["stock"].volume["regular"][8]


def test_the_shipped_calibration_says_what_was_measured_and_what_was_not() -> None:
    groups = calibration().groups
    assert {name: tail.calibrated for name, tail in groups["stock"].tails.items()} == {
        "default": False, "pre": True, "regular": True,
    }  # fmt: skip
    assert groups["crypto"].tails["continuous"].exceedances >= ENOUGH_PEAKS
    assert groups["stock"].volume["regular"][0] > 5.0  # the opening auction
