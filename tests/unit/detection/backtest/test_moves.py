"""Whether the price moved 5 % within 5 minutes of an incident."""

from collections.abc import Sequence

import pytest

from tapewatch.detection.backtest.moves import moved
from tapewatch.model.alerts import Incident
from tapewatch.model.times import MINUTE_NS
from tests.unit.detection.support import BTC, REGULAR_NS, TSLA, bars, batch_of

ONSET_NS = REGULAR_NS + 10 * MINUTE_NS


def incident() -> Incident:
    return Incident(
        incident_id="i",
        category="price",
        venue="XNAS",
        symbol="TSLA",
        state="open",
        severity="high",
        score=80.0,
        onset="",
        onset_ns=ONSET_NS,
        updated_ns=ONSET_NS,
        direction="rise",
        peak_change_pct=5.0,
        message="",
        alerts=["a"],
        open_alerts=1,
    )


def told(closes: Sequence[float], cut: int = 0) -> bool:
    ticks = bars(TSLA, closes, REGULAR_NS)
    return moved([batch_of(ticks[:cut]), batch_of(ticks[cut:])], [incident()]) == {"i"}


@pytest.mark.parametrize(("bar", "near"), [(4, False), (5, True), (15, True), (16, False)])
def test_a_close_five_percent_away_within_five_minutes_is_a_move(bar: int, near: bool) -> None:
    closes = [100.0] * 21
    closes[bar] = 105.0
    assert told(closes) is near
    closes[bar] = 104.9
    assert not told(closes)


@pytest.mark.parametrize("cut", range(0, 21, 3))
def test_the_cut_of_the_tape_does_not_matter(cut: int) -> None:
    assert told([100.0] * 11 + [105.0] * 10, cut)
    assert not told([100.0] * 21, cut)


def test_another_symbols_move_is_not_its_own() -> None:
    ticks = [*bars(BTC, [100.0] * 11 + [150.0] * 10, REGULAR_NS), *bars(TSLA, [100.0] * 21, REGULAR_NS)]
    assert moved([batch_of(sorted(ticks, key=lambda t: t.at_ns))], [incident()]) == frozenset()
