import math
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tapewatch.model.bars import Bars
from tapewatch.model.times import MINUTE_NS
from tapewatch.reports.charts import Line, Marker, candlestick, nice_step
from tests.factories import ONSET_NS, make_bars
from tests.unit.reports.sources import NO_BARS

FROM_NS, TO_NS = ONSET_NS - 30 * MINUTE_NS, ONSET_NS + 30 * MINUTE_NS
SVG = "{http://www.w3.org/2000/svg}"


def _marker(**changed: Any) -> Marker:
    fields: dict[str, Any] = {
        "number": 1,
        "ts_ns": ONSET_NS,
        "price": 228.0,
        "label": "price_move",
        "severity": "critical",
        "direction": "drop",
    }
    return Marker(**(fields | changed))


def _draw(bars: Bars, *markers: Marker, zone: str = "America/New_York") -> ET.Element:
    return ET.fromstring(candlestick(bars, markers, from_ns=FROM_NS, to_ns=TO_NS, zone=ZoneInfo(zone)))


def _texts(chart: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in chart.iter(f"{SVG}text")]


def test_the_axis_shows_local_times_of_the_zone_and_says_which() -> None:
    texts = _texts(_draw(make_bars(60)))
    assert "10:10" in texts
    assert "2025-04-07 (EDT)" in texts
    assert "14:10" in _texts(_draw(make_bars(60), zone="UTC"))


def test_each_bar_is_one_candle_and_one_volume_bar() -> None:
    chart = _draw(make_bars(60))
    rects = list(chart.iter(f"{SVG}rect"))
    assert len(rects) == 1 + 60 + 60  # background, volumes, bodies


def test_falling_bars_are_filled_and_rising_ones_hollow() -> None:
    bars = make_bars(60)
    bodies = [r for r in _draw(bars).iter(f"{SVG}rect") if r.get("stroke")]
    filled = [body.get("fill") != "#ffffff" for body in bodies]
    assert filled == (bars.close < bars.open).tolist()


def test_a_marker_has_its_number_its_label_and_a_triangle() -> None:
    chart = _draw(make_bars(60), _marker(), _marker(number=2, ts_ns=ONSET_NS + MINUTE_NS, label="volume_spike"))
    assert {"1", "2", "price_move", "volume_spike"} <= set(_texts(chart))
    assert len(list(chart.iter(f"{SVG}polygon"))) == 2


def test_markers_outside_of_the_range_are_not_drawn() -> None:
    chart = _draw(make_bars(60), _marker(ts_ns=TO_NS), _marker(ts_ns=FROM_NS - 1))
    assert not list(chart.iter(f"{SVG}polygon"))


def test_a_hundred_markers_on_one_bar_are_all_numbered() -> None:
    marks = [_marker(number=k, label="x" * 200) for k in range(1, 101)]
    assert {str(k) for k in range(1, 101)} <= set(_texts(_draw(make_bars(60), *marks)))


@pytest.mark.parametrize(
    "label", ["</text><script>alert(1)</script>", "]]>&lt;", "a\x00\x0b\ufffe\ud800b", "<!--", "\"'>"]
)
def test_labels_are_text_whatever_is_in_them(label: str) -> None:
    chart = _draw(make_bars(60), _marker(label=label))
    tags = {element.tag.removeprefix(SVG) for element in chart.iter()}
    assert tags == {"svg", "rect", "line", "text", "polygon"}
    assert any(label[:1] in text for text in _texts(chart))


def test_no_bars_is_a_chart_that_says_so() -> None:
    assert _texts(_draw(NO_BARS, _marker())) == ["No price history is kept for this range."]


def test_bars_without_a_usable_price_are_left_out_and_counted() -> None:
    bars = make_bars(60)
    bars.low[3], bars.close[4], bars.open[5] = 0.0, math.nan, math.inf
    chart = _draw(bars)
    assert "3 bars without a usable price are not drawn." in _texts(chart)
    assert not any("nan" in (value or "") or "inf" in value for e in chart.iter() for value in e.attrib.values())


def test_unknown_volume_is_said_and_not_drawn_as_none() -> None:
    bars = make_bars(60)
    bars.volume[:] = np.nan
    assert "volume unknown" in _texts(_draw(bars))


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e9])
def test_prices_of_any_size_get_an_axis(scale: float) -> None:
    texts = _texts(_draw(make_bars(60, price=scale)))
    labels = [float(t.replace(",", "")) for t in texts if t.replace(",", "").replace(".", "").isdigit()]
    assert sum(0.9 * scale < label < 1.1 * scale for label in labels) >= 3


def test_a_flat_price_and_a_single_bar_can_be_drawn() -> None:
    one = Bars(np.array([ONSET_NS]), *(np.array([5.0]) for _ in range(5)))
    assert "10:10" in _texts(_draw(one, _marker(price=5.0)))


def test_the_same_input_gives_the_same_text() -> None:
    bars = make_bars(60)
    first, second = (
        candlestick(bars, [_marker()], from_ns=FROM_NS, to_ns=TO_NS, zone=ZoneInfo("UTC")) for _ in range(2)
    )
    assert first == second


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValueError, match="empty range"):
        candlestick(NO_BARS, [], from_ns=5, to_ns=5, zone=ZoneInfo("UTC"))


@pytest.mark.parametrize("span", [1e-12, 0.03, 1.0, 7.0, 99.9, 1e11])
def test_a_grid_has_few_steps_but_some(span: float) -> None:
    assert 2 <= span / nice_step(span, 6) <= 6


def test_labels_that_would_meet_get_lanes_of_their_own() -> None:
    marks = [_marker(number=k + 1, ts_ns=ONSET_NS + k * MINUTE_NS, label="robust_return -3.01 %") for k in range(5)]
    texts = [t for t in _draw(make_bars(60), *marks).iter(f"{SVG}text") if "".join(t.itertext()).startswith("robust")]
    assert len({text.get("y") for text in texts}) == len(texts) == 5


@pytest.mark.parametrize("rising", [True, False])
def test_the_name_of_a_line_stands_where_the_first_bars_are_not(rising: bool) -> None:
    ts_ns = FROM_NS + MINUTE_NS * np.arange(60)
    price = np.linspace(100.0, 110.0, 60)[:: 1 if rising else -1]
    bars = Bars(ts_ns=ts_ns, open=price, high=price, low=price, close=price, volume=np.ones(60))
    line = Line("mean of others", ts_ns, np.full(60, 105.0))
    chart = ET.fromstring(candlestick(bars, [], from_ns=FROM_NS, to_ns=TO_NS, zone=ZoneInfo("UTC"), lines=[line, line]))
    named = [float(t.get("y", "nan")) for t in chart.iter(f"{SVG}text") if t.text == line.label]
    assert named[1] - named[0] == 10.0
    assert all(y < 60.0 for y in named) if rising else all(y > 100.0 for y in named)
