"""Calibration made from a history finds what the history was made of, and keeps its defaults where that is silent."""

import doctest

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tapewatch.detection.calibration import Calibration, Tail, read_calibration
from tapewatch.detection.groups import BINS
from tapewatch.detection.instruments import Facts
from tapewatch.detection.tuning import CONSERVATIVE, calibrate, tails
from tapewatch.detection.tuning.tails import XI_RANGE, fit_tail, pareto, peaks
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Kind, TickBatch, make_batch
from tapewatch.model.times import MINUTE_NS, parse_rfc3339
from tests.unit.detection.support import COMPILED, OPEN_NS, calibration, compiled_only

BARS = 2_200
SCALE = 0.0007  # mean absolute return of a minute


def coins(n: int = 4 if COMPILED else 1, seed: int = 3) -> TickBatch:
    """n coins with heavy-tailed returns of a known size, one-minute bars in tape order."""
    random = np.random.default_rng(seed)
    returns = random.standard_t(4, (n, BARS))
    close = 100.0 * np.exp(np.cumsum(returns * SCALE / np.abs(returns).mean(), axis=1))
    names = tuple(Instrument("binance", f"C{i}/USDT") for i in range(n))
    return bars(names, close, random.lognormal(8.0, 0.4, (n, BARS)), parse_rfc3339("2025-04-01T00:00:00Z"))


def bars(
    names: tuple[Instrument, ...], close: NDArray[np.float64], volume: NDArray[np.float64], start_ns: int
) -> TickBatch:
    n, length = close.shape
    return make_batch(
        names,
        n * length,
        symbol_id=np.tile(np.arange(n), length),
        kind=np.full(n * length, Kind.BAR),
        ts_event_ns=np.repeat(start_ns + np.arange(length) * MINUTE_NS, n),
        interval_ns=np.full(n * length, MINUTE_NS),
        close=close.T.ravel(),
        volume=volume.T.ravel(),
    )


@pytest.fixture(scope="module")
def measured() -> Calibration:
    return calibrate([coins()], calibration(), "measured")


def test_the_scale_is_that_of_the_history(measured: Calibration) -> None:
    assert measured.groups["crypto"].scale == pytest.approx(SCALE, rel=0.1)
    assert measured.groups["crypto"].phase_ratio["continuous"] == 1.0


@compiled_only
def test_the_tail_is_measured_and_says_so(measured: Calibration) -> None:
    tail = measured.groups["crypto"].tails["continuous"]
    assert tail.calibrated
    assert tail.exceedances >= 50
    assert tail.p_u == pytest.approx(0.01, rel=0.1)
    assert XI_RANGE[0] <= tail.xi <= XI_RANGE[1]
    assert 0.0 < tail.theta <= 1.0


def test_profiles_are_factors_around_one(measured: Calibration) -> None:
    for profiles in (measured.groups["crypto"].vol, measured.groups["crypto"].volume):
        assert set(profiles) == {"continuous"}
        assert len(profiles["continuous"]) == 48
        assert 0.7 < min(profiles["continuous"]) <= 1.0 <= max(profiles["continuous"]) < 1.4


def test_what_the_history_does_not_hold_is_kept(measured: Calibration) -> None:
    assert measured.groups["stock"] == calibration().groups["stock"]
    assert measured.groups["crypto"].tails["default"] == CONSERVATIVE


def test_instruments_and_phases_that_the_history_does_not_hold_are_kept() -> None:
    flat_day = {"pre": [2.0] * BINS}
    alts = msgspec.structs.replace(
        calibration().groups["crypto"],
        vol=flat_day,
        volume=flat_day,
        tails={"default": CONSERVATIVE, "pre": Tail(2.9, 0.01, 0.33, 1.0, calibrated=True)},
    )
    facts = {f"binance:C{i}/USDT": Facts(f"C{i}/USDT", "binance", group="alts") for i in range(4)}
    base = calibration()
    base = msgspec.structs.replace(base, groups=base.groups | {"alts": alts}, instruments=facts)
    found = calibrate([coins()], base, "measured")
    assert found.instruments == facts
    assert found.groups["crypto"] == base.groups["crypto"]  # all of them are of the other group
    made = found.groups["alts"]
    assert set(made.vol) == set(made.volume) == {"pre", "continuous"}
    assert made.tails["pre"] == alts.tails["pre"]
    assert not COMPILED or made.tails["continuous"].calibrated


@compiled_only
def test_the_same_history_gives_the_same_file_and_it_reads_back(measured: Calibration) -> None:
    again = calibrate([coins()], calibration(), "measured")
    assert again.digest() == measured.digest()
    assert read_calibration(msgspec.json.encode(measured), "made").digest() == measured.digest()


def test_a_short_history_changes_scales_only_where_there_is_enough() -> None:
    name = Instrument("XNAS", "TSLA")
    close = 100.0 * np.exp(np.cumsum(np.random.default_rng(1).normal(0.0, 0.002, (1, 100)), axis=1))
    short = bars((name,), close[:, :40], np.full((1, 40), 1e3), OPEN_NS)
    base = calibration().groups["stock"]
    assert calibrate([short], calibration(), "short").groups["stock"].scale == base.scale
    longer = bars((name,), close, np.zeros((1, 100)), OPEN_NS)
    found = calibrate([longer], calibration(), "longer").groups["stock"]
    assert found.scale == pytest.approx(0.002 * 0.8, rel=0.2)
    assert found.volume == base.volume
    assert found.tails == {"default": CONSERVATIVE, "pre": base.tails["pre"]}


def test_exceedances_of_one_cluster_are_one_peak() -> None:
    sizes = np.zeros(100)
    sizes[[10, 12, 15, 40, 41]] = [3.0, 5.0, 4.0, 2.5, 2.0]
    assert peaks(sizes, 1.0).tolist() == [4.0, 1.5]
    assert peaks(sizes, 9.0).size == 0


def test_too_few_peaks_give_the_default() -> None:
    assert fit_tail([np.random.default_rng(1).standard_t(4, 1000)], CONSERVATIVE) == CONSERVATIVE
    assert fit_tail([], CONSERVATIVE) == CONSERVATIVE


def test_a_pareto_law_is_found_again() -> None:
    random = np.random.default_rng(2)
    xi, beta = pareto((random.uniform(size=200_000) ** -0.4 - 1.0) / 0.4 * 1.7)
    assert xi == pytest.approx(0.4, abs=0.02)
    assert beta == pytest.approx(1.7, rel=0.05)
    assert pareto(random.uniform(size=1000))[0] == XI_RANGE[0]
    assert doctest.testmod(tails).failed == 0
